//! Short messages, through the gateway of the settings. They cost money: three parts at the most, the title first.

use futures_util::future::BoxFuture;

use super::wording::{fit_utf16, one_line, say};
use super::{Address, Channel, Failed, Fate, Field, Letter, Sent};
use crate::courier::{Gateway, GatewayError, Standing};
use domovoi_model::Severity;

const FIELDS: &[Field] = &[Field { name: "number", secret: true, required: true }];
/// Characters of one part, in UCS-2 as Cyrillic needs it: alone, and with the header that joins parts (3GPP TS 23.040).
const ALONE: usize = 70;
const JOINED: usize = 67;
const PARTS: usize = 3;

/// A gateway.
pub(super) struct Sms {
    gateway: Gateway,
}

impl Sms {
    pub(super) fn open(gateway: Gateway) -> Self {
        Sms { gateway }
    }

    async fn carry(&self, to: &Address, letter: &Letter) -> Result<Sent, Failed> {
        let number = number(to).map_err(Failed::Refused)?;
        let receipt = self.gateway.hand_in(&number, &written(letter)).await.map_err(failed)?;
        Ok(Sent { fate: Fate::Sent, receipt })
    }

    async fn fate(&self, to: &Address, receipt: &str) -> Result<Option<Fate>, Failed> {
        let number = number(to).map_err(Failed::Refused)?;
        match self.gateway.ask(&number, receipt).await.map_err(failed)? {
            None | Some(Standing::UnderWay) => Ok(None),
            Some(Standing::Delivered) => Ok(Some(Fate::Delivered)),
            Some(Standing::Lost) => Err(Failed::Refused("the message did not reach the phone".to_owned())),
        }
    }
}

fn failed(error: GatewayError) -> Failed {
    match error {
        GatewayError::Later { why, after } => Failed::Again { why, after },
        GatewayError::NoSuchNumber(why) => Failed::Gone(why),
        GatewayError::Never(why) => Failed::Refused(why),
    }
}

/// `+79161234567`, from whatever people write it like. A Russian 8 before ten digits is the +7 of the trunk.
fn number(to: &Address) -> Result<String, String> {
    let wrong = || "this is no phone number: write it like +79161234567".to_owned();
    let text = to.get("number").ok_or_else(wrong)?.trim();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let plain = text.chars().all(|c| c.is_ascii_digit() || "+-() .".contains(c))
        && !text.get(1..).unwrap_or_default().contains('+');
    let digits = match (text.starts_with('+'), digits.strip_prefix('8')) {
        (false, Some(rest)) if rest.len() == 10 => format!("7{rest}"),
        (true, _) => digits,
        (false, _) if digits.len() == 11 && digits.starts_with('7') => digits,
        _ => return Err(wrong()),
    };
    // E.164: fifteen digits at the most, none begins with 0.
    let fits = plain && (8..=15).contains(&digits.len()) && !digits.starts_with('0');
    if fits { Ok(format!("+{digits}")) } else { Err(wrong()) }
}

/// The title, then as much of the body as three parts carry. No links: they look like fraud, and cost a part.
fn written(letter: &Letter) -> String {
    let mut text = one_line(&letter.title);
    if !letter.over && letter.severity == Severity::Extreme {
        text = format!("{} {text}", say(letter, "channel-attention"));
    }
    let body = one_line(&letter.body);
    if !body.is_empty() {
        let joint = if text.ends_with(['.', '!', '?', ':', '…']) { " " } else { ". " };
        text = format!("{text}{joint}{body}");
    }
    if text.encode_utf16().count() <= ALONE { text } else { fit_utf16(&text, JOINED * PARTS) }
}

impl Channel for Sms {
    fn name(&self) -> &'static str {
        "sms"
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, to: &Address) -> Result<(), String> {
        number(to).map(|_| ())
    }

    fn costs(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(self.carry(to, letter))
    }

    fn ask<'a>(&'a self, to: &'a Address, receipt: &'a str) -> BoxFuture<'a, Result<Option<Fate>, Failed>> {
        Box::pin(self.fate(to, receipt))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::letters::{golden, letter};
    use super::*;

    #[test]
    fn it_reads_as_it_should() {
        golden("sms", written);
    }

    #[test]
    fn three_parts_are_the_most() {
        let long = Letter { body: "щ🆘".repeat(2000), ..letter() };
        let text = written(&long);
        assert!(text.encode_utf16().count() <= 201 && text.starts_with("Протечка: ванная. щ🆘"), "{text}");
        assert!(text.ends_with('…'));
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let of = |text: &str| number(&Address([("number".to_owned(), text.to_owned())].into())).ok();
        for text in ["+79161234567", "8 (916) 123-45-67", "79161234567", "+7 916 123.45.67"] {
            assert_eq!(of(text).as_deref(), Some("+79161234567"), "{text}");
        }
        assert_eq!(of("+44 20 7946 0000").as_deref(), Some("+442079460000"));
        for bad in
            ["", "112", "9161234567", "+0123456789", "+7916123456789012", "+7916123456x", "7+9161234567", "+7&to=1"]
        {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
