//! Refusals that say why and what to do: the sentence for the log here, the one for people in `signin.ftl` under
//! `signin-why-<code>`.

use domovoi_config::Language;

use super::SignInError;
use crate::words::words;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sentence:literal;)*) => {
        /// A reason.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Why { $($(#[$doc])* $name,)* }

        impl Why {
            /// All of them.
            pub const ALL: &[Why] = &[$(Why::$name,)*];

            pub fn code(self) -> &'static str {
                match self { $(Why::$name => $code,)* }
            }

            pub fn sentence(self) -> &'static str {
                match self { $(Why::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    /// A code of an authenticator app is a function of the time.
    ClockUnset = "clock", "the hub does not know the time yet, so no code of an app can be checked: use a recovery code or a passkey, or wait until the hub has a network";
    HasOwner = "has-owner", "this home has an owner already: sign in, or print a link with `domovoi people recover`";
    NoLogin = "no-login", "without a phone number, an e-mail address or a login name nobody can sign in: give one";
    LastWayIn = "last-way-in", "this is the last way to sign in: add another one first";
    ShortPassword = "short-password", "the password is too short to be asked for alone: set one of 15 characters first, or add another second factor";
    PinLocked = "pin-locked", "the PIN is locked on this tablet after wrong tries: sign in with the password once, or set a new PIN";
    NoPin = "no-pin", "set a PIN on a page where you are signed in, not on the tablet";
    TooMany = "too-many", "there are as many of these as there may be: remove one first";
    OthersAccount = "others-account", "this account of the portal is tied to another person here";
    OthersCertificate = "others-certificate", "this certificate is tied already";
    Days = "days", "a token is valid for 1 to 365 days";
    Over = "over", "this certificate has ended already";
    NoClock = "no-clock", "the hub does not know the time yet, so nothing that ends at a time can be issued: wait until it has a network";
    Services = "services", "a program does not sign in: issue a token for it";
    TooManyPairings = "pairings", "too many devices are being paired at a time: wait five minutes";
    Label = "label", "a name has 1 to 100 characters, on one line";
    Keep = "keep", "it could not be written down; the log says why";
}

impl From<Why> for SignInError {
    fn from(why: Why) -> Self {
        SignInError::Refused(why.sentence().to_owned())
    }
}

impl SignInError {
    /// The sentence for a person. It says nothing that a stranger should not hear.
    pub fn say(&self, language: Language) -> String {
        let words = words(language);
        match self {
            SignInError::Throttled(seconds) => {
                let (key, number) = match seconds {
                    0..=90 => ("signin-throttled-seconds", *seconds),
                    91..=5_400 => ("signin-throttled-minutes", seconds.div_ceil(60)),
                    _ => ("signin-throttled-hours", seconds.div_ceil(3_600)),
                };
                words.say(key, &[("number", &number.to_string())])
            }
            SignInError::Refused(sentence) => match Why::ALL.iter().find(|why| why.sentence() == sentence) {
                Some(why) => words.say(&format!("signin-why-{}", why.code()), &[]),
                None => sentence.clone(),
            },
            SignInError::NoSuch(what) => words.say(&format!("signin-no-such-{what}"), &[]),
            SignInError::People(error) => error.to_string(),
            SignInError::Wrong | SignInError::Expired | SignInError::Weak(_) | SignInError::Store(_) => {
                words.say(&format!("signin-{}", self.code()), &[])
            }
        }
    }
}
