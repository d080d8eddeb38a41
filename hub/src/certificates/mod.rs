//! Certificates: the hub's own authority, the certificate of its page, the owner's own one or ACME's, and certificates
//! for clients. It opens no socket but ACME's, and decides nothing about who may come in.
