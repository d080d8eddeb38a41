//! How people are reached: contacts added, proved, removed. Messages are not sent here; who asked for a proof sends it.

use std::sync::PoisonError;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domovoi_model::{Id, PersonId};
use domovoi_vault::Secret;

use super::proofs::Key;
use super::roster::MAX_CONTACTS;
use super::{Contact, ContactKind, People, PeopleError, Person, login, random};

/// What proves that a contact is somebody's. Either is enough, and both are used up together.
#[derive(Debug)]
pub struct Proof {
    /// Six digits, for typing.
    pub code: Secret<String>,
    /// For a link. Mail readers open links by themselves: what the link leads to must ask before it confirms.
    pub link_token: Secret<String>,
}

impl People {
    /// Adds a contact, unconfirmed; a login name counts at once.
    pub async fn add_contact(&self, id: PersonId, value: &str) -> Result<Contact, PeopleError> {
        let changes = self.changes().await;
        let mut person = self.existing(id)?;
        let contact = put(&mut person, value)?;
        self.keep(changes, vec![person]).await?;
        Ok(contact)
    }

    /// Marks a contact as a login although nobody proved it, and adds it if it is not there: the first owner's, who has
    /// no other way in yet, or one that is given at the console.
    pub async fn vouch(&self, id: PersonId, value: &str) -> Result<Contact, PeopleError> {
        let changes = self.changes().await;
        let mut person = self.existing(id)?;
        let wanted = key(&read(value)?);
        if !person.contacts.iter().any(|contact| key_of(contact) == wanted) {
            put(&mut person, value)?;
        }
        let mut vouched = None;
        for contact in person.contacts.iter_mut().filter(|contact| key_of(contact) == wanted) {
            contact.vouched = contact.confirmed_at.is_none() && contact.kind != ContactKind::Name;
            vouched = Some(contact.clone());
        }
        self.keep(changes, vec![person]).await?;
        vouched.ok_or(PeopleError::NoSuch("contact"))
    }

    /// Removes a contact. Somebody's last login stays.
    pub async fn remove_contact(&self, id: PersonId, value: &str) -> Result<(), PeopleError> {
        let changes = self.changes().await;
        let mut person = self.existing(id)?;
        let wanted = key_of(&self.contact(id, value)?);
        let place = person.contacts.iter().position(|contact| key_of(contact) == wanted);
        let removed = person.contacts.remove(place.ok_or(PeopleError::NoSuch("contact"))?);
        if removed.is_login() && !person.contacts.iter().any(Contact::is_login) {
            return Err(PeopleError::Refused(
                "this is the last thing to sign in with: add another contact or a login name first".into(),
            ));
        }
        self.keep(changes, vec![person]).await?;
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).forget(id, Some(&wanted));
        Ok(())
    }

    /// Makes a code for a contact, valid for ten minutes and five tries. The caller sends it.
    pub async fn contact_code(&self, id: PersonId, value: &str) -> Result<Secret<String>, PeopleError> {
        Ok(self.contact_proof(id, value).await?.code)
    }

    /// Makes a code and a link for a contact, in the place of those before. At most three in ten minutes go to one
    /// contact, whoever asks.
    pub async fn contact_proof(&self, id: PersonId, value: &str) -> Result<Proof, PeopleError> {
        let contact = self.contact(id, value)?;
        if contact.kind == ContactKind::Name {
            return Err(PeopleError::Invalid("nothing can be sent to a login name, and it needs no proof".into()));
        }
        if contact.confirmed_at.is_some() {
            return Err(PeopleError::Refused("this contact is confirmed already".into()));
        }
        let key = key_of(&contact);
        let digits = u64::from_be_bytes(random()?) % 1_000_000;
        let code = Secret::new(format!("{digits:06}"));
        let link_token = Secret::new(URL_SAFE_NO_PAD.encode(random::<24>()?));
        let (code_hash, link_hash) = (self.code_hash(id, &key, code.expose()), self.link_hash(link_token.expose()));
        let now = self.clock.since_boot_millis();
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        proofs.begin(id, key, code_hash, link_hash, now).map_err(|seconds| {
            PeopleError::Refused(format!("too many messages were asked for: wait {} min", (seconds + 59) / 60))
        })?;
        Ok(Proof { code, link_token })
    }

    /// Confirms a contact with the code that was sent to it.
    pub async fn confirm_contact(&self, id: PersonId, value: &str, code: &str) -> Result<(), PeopleError> {
        let contact = self.contact(id, value)?;
        let key = key_of(&contact);
        // As people copy it: «123 456», «123-456».
        let digits: String = code.chars().take(64).filter(char::is_ascii_digit).collect();
        let hash = self.code_hash(id, &key, &digits);
        let now = self.clock.since_boot_millis();
        let proved = self.proofs.lock().unwrap_or_else(PoisonError::into_inner).prove(id, &key, hash, now);
        if proved { self.confirmed(id, &key).await.map(drop) } else { Err(PeopleError::WrongCode) }
    }

    /// Confirms the contact to which a link with this token was sent, and says whose it is.
    pub async fn confirm_by_link(&self, token: &str) -> Result<(PersonId, Contact), PeopleError> {
        let hash = self.link_hash(token);
        let now = self.clock.since_boot_millis();
        let proved = self.proofs.lock().unwrap_or_else(PoisonError::into_inner).prove_by_link(hash, now);
        let (id, key) = proved.ok_or(PeopleError::WrongCode)?;
        Ok((id, self.confirmed(id, &key).await?))
    }

    async fn confirmed(&self, id: PersonId, wanted: &Key) -> Result<Contact, PeopleError> {
        let changes = self.changes().await;
        let mut person = self.existing(id)?;
        let contact = person.contacts.iter_mut().find(|contact| key_of(contact) == *wanted);
        let contact = contact.ok_or(PeopleError::NoSuch("contact"))?;
        contact.confirmed_at = Some(self.at());
        contact.vouched = false;
        let confirmed = contact.clone();
        self.keep(changes, vec![person]).await?;
        Ok(confirmed)
    }

    /// A person's contact: by its opaque id, or in any usual spelling.
    pub fn contact(&self, id: PersonId, value: &str) -> Result<Contact, PeopleError> {
        let contacts = self.existing(id)?.contacts;
        if let Some(contact) = contacts.iter().find(|contact| self.contact_id(id, contact) == value) {
            return Ok(contact.clone());
        }
        let wanted = key(&read(value)?);
        contacts.into_iter().find(|contact| key_of(contact) == wanted).ok_or(PeopleError::NoSuch("contact"))
    }

    /// What a contact is called in an address or in the journal: neither is a place for a number.
    pub fn contact_id(&self, id: PersonId, contact: &Contact) -> String {
        let key = key_of(contact);
        let parts: [&[u8]; 3] = [&id.0.0, key.0.code().as_bytes(), key.1.as_bytes()];
        self.store.papers().id_of("contact.id", &parts).to_string()
    }

    fn code_hash(&self, id: PersonId, key: &Key, code: &str) -> Id {
        let parts: [&[u8]; 4] = [&id.0.0, key.0.code().as_bytes(), key.1.as_bytes(), code.as_bytes()];
        self.store.papers().id_of("contact.code", &parts)
    }

    fn link_hash(&self, token: &str) -> Id {
        self.store.papers().id_of("contact.link", &[token.as_bytes()])
    }
}

/// Adds a contact to a record.
pub(super) fn put(person: &mut Person, typed: &str) -> Result<Contact, PeopleError> {
    let login = read(typed)?;
    let wanted = key(&login);
    if person.contacts.iter().any(|contact| key_of(contact) == wanted) {
        return Err(PeopleError::Refused("this contact is there already".into()));
    }
    if person.contacts.len() >= MAX_CONTACTS {
        return Err(PeopleError::Refused(format!("a person has at most {MAX_CONTACTS} contacts")));
    }
    let contact = Contact { kind: login.kind, value: login.value, confirmed_at: None, vouched: false };
    person.contacts.push(contact.clone());
    Ok(contact)
}

fn read(typed: &str) -> Result<login::Login, PeopleError> {
    login::read(typed).map_err(|why| PeopleError::Invalid(why.0.into()))
}

fn key(login: &login::Login) -> Key {
    (login.kind, login::key(login.kind, &login.value))
}

fn key_of(contact: &Contact) -> Key {
    (contact.kind, login::key(contact.kind, &contact.value))
}
