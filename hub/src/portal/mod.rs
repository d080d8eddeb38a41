//! The portal: linking, tokens, calls. Alone in the house it knows the portal's JSON.
