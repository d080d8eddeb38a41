//! What is wrong with a form, field by field: shown over the form with links to the fields, and at each field.

/// What is wrong. Empty is well.
#[derive(Debug, Default, Clone)]
pub struct Trouble(Vec<Wrong>);

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// The id of the field.
    pub field: String,
    /// What, in words.
    pub text: String,
}

impl Trouble {
    /// One thing.
    pub fn at(field: &str, text: String) -> Self {
        let mut trouble = Trouble::default();
        trouble.add(field, text);
        trouble
    }

    /// One thing more.
    pub fn add(&mut self, field: &str, text: String) {
        self.0.push(Wrong { field: field.to_owned(), text });
    }

    /// Whether anything is wrong.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Everything.
    pub fn all(&self) -> &[Wrong] {
        &self.0
    }

    /// Whether a field is wrong.
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|wrong| wrong.field == field)
    }

    /// What is wrong with a field.
    pub fn of(&self, field: &str) -> Vec<&str> {
        self.0.iter().filter(|wrong| wrong.field == field).map(|wrong| wrong.text.as_str()).collect()
    }

    /// The ids that describe a field, for `aria-describedby`.
    pub fn described(&self, field: &str, hint: &str) -> String {
        let mut ids = Vec::new();
        if !hint.is_empty() {
            ids.push(format!("{field}-hint"));
        }
        if self.has(field) {
            ids.push(format!("{field}-wrong"));
        }
        ids.join(" ")
    }
}
