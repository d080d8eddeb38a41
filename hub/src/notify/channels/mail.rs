//! Mail, through the server of the settings: plain text, and the same as simple HTML with a button. Letters of one subject stand
//! together in a reader. It never asks whether anybody read them: no pictures, no receipts.

use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address as MailAddress, Message};

use super::wording::{one_line, say, severity, sign, subject_code};
use super::{Address, Channel, Failed, Fate, Field, Letter, Pressing, Sent};
use crate::clock::Clock;
use crate::courier::{Post, PostError};
use crate::words::words;

const FIELDS: &[Field] = &[Field { name: "address", secret: false, required: true }];

/// The mail server.
pub(super) struct Mail {
    post: Post,
    home: String,
    clock: Clock,
}

impl Mail {
    pub(super) fn open(post: Post, home: &str, clock: Clock) -> Self {
        Mail { post, home: one_line(home), clock }
    }

    /// The letter as it travels. What is not ASCII is encoded by the builder, and no header can hold a line break.
    fn written(&self, to: &Address, letter: &Letter) -> Result<Message, Failed> {
        let to = addressee(to).map_err(Failed::Refused)?;
        let domain = self.post.from().email.domain();
        let thread = format!("<{}@{domain}>", subject_code(&letter.subject));
        let now = u64::try_from(self.clock.wall().0).unwrap_or(0);
        let mut message = Message::builder()
            .from(self.post.from().clone())
            .to(Mailbox::new(None, to))
            .subject(format!("{} {}", sign(letter), one_line(&letter.title)))
            .date(UNIX_EPOCH + Duration::from_millis(now))
            // The same in every retry: a server or a reader that got it twice can tell.
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            // The first of a subject is no mail at all; readers put together what refers to the same (RFC 5322 3.6.4).
            .references(thread.clone())
            .in_reply_to(thread);
        let (priority, importance) = match letter.pressing {
            Pressing::Life => ("1 (Highest)", "high"),
            Pressing::High => ("2 (High)", "high"),
            Pressing::Normal => ("3 (Normal)", "normal"),
            Pressing::Low => ("5 (Lowest)", "low"),
        };
        for (name, value) in [
            // RFC 3834 section 5: nobody's holiday notice has to answer.
            ("Auto-Submitted", "auto-generated".to_owned()),
            // RFC 2919, so that people can sort it.
            ("List-Id", format!("<domovoi.{domain}>")),
            ("X-Priority", priority.to_owned()),
            ("Importance", importance.to_owned()),
        ] {
            message = message.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
        }
        let parts = MultiPart::alternative_plain_html(plain(letter, &self.home), html(letter, &self.home));
        message.multipart(parts).map_err(|_| Failed::Refused("mail cannot be written to this address".into()))
    }

    async fn carry(&self, to: &Address, letter: &Letter) -> Result<Sent, Failed> {
        match self.post.hand_in(self.written(to, letter)?).await {
            Ok(()) => Ok(Sent { fate: Fate::Sent, receipt: None }),
            Err(PostError::Later(why)) => Err(Failed::Again { why, after: None }),
            Err(PostError::NoSuchAddressee(why)) => Err(Failed::Gone(why)),
            Err(PostError::Never(why)) => Err(Failed::Refused(why)),
        }
    }
}

fn addressee(to: &Address) -> Result<MailAddress, String> {
    let wrong = || "this is no e-mail address: write it like anna@example.org".to_owned();
    let text = to.get("address").ok_or_else(wrong)?.trim();
    if text.len() > 254 || !text.is_ascii() || text.chars().any(|c| c.is_ascii_control() || c == ' ') {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// What stands between title and foot, line by line.
fn lines(letter: &Letter) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(severity) = severity(letter) {
        lines.push(words(letter.language).say("channel-level", &[("severity", &severity)]));
    }
    if letter.over && letter.body.is_empty() {
        lines.push(say(letter, "channel-over"));
    }
    lines
}

fn plain(letter: &Letter, home: &str) -> String {
    let mut text = format!("{}\n", letter.title);
    for line in lines(letter) {
        text.push_str(&format!("{line}\n"));
    }
    if !letter.body.is_empty() {
        text.push_str(&format!("\n{}\n", letter.body));
    }
    if let Some(answer) = &letter.answer {
        text.push_str(&format!("\n{}\n{}\n", say(letter, "channel-how-to-answer"), answer.page));
    }
    if let Some(link) = &letter.link {
        text.push_str(&format!("\n{}: {link}\n", say(letter, "channel-more")));
    }
    text.push_str(&format!("\n-- \n{home}\n{}\n", say(letter, "channel-mail-foot")));
    text
}

/// Without pictures, scripts and style sheets: it is to look the same everywhere.
fn html(letter: &Letter, home: &str) -> String {
    let mut text = format!(
        "<!doctype html>\n<html lang=\"{}\"><body style=\"font-family:sans-serif\">\n<h2>{}</h2>\n",
        letter.language.code(),
        escaped(&letter.title)
    );
    for line in lines(letter) {
        text.push_str(&format!("<p><b>{}</b></p>\n", escaped(&line)));
    }
    for paragraph in letter.body.split('\n').filter(|line| !line.trim().is_empty()) {
        text.push_str(&format!("<p>{}</p>\n", escaped(paragraph)));
    }
    if let Some(answer) = &letter.answer {
        let style = "padding:10px 20px;background:#b00020;color:#ffffff;text-decoration:none";
        let (page, know) = (escaped(&answer.page), say(letter, "channel-know"));
        text.push_str(&format!("<p><a href=\"{page}\" style=\"{style}\">{}</a></p>\n", escaped(&know)));
    }
    if let Some(link) = &letter.link {
        let more = escaped(&say(letter, "channel-more"));
        text.push_str(&format!("<p><a href=\"{}\">{more}</a></p>\n", escaped(link)));
    }
    let foot = escaped(&say(letter, "channel-mail-foot"));
    text.push_str(&format!("<hr><p><small>{}<br>{foot}</small></p>\n</body></html>\n", escaped(home)));
    text
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

impl Channel for Mail {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, to: &Address) -> Result<(), String> {
        addressee(to).map(|_| ())
    }

    fn send<'a>(&'a self, to: &'a Address, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, Failed>> {
        Box::pin(self.carry(to, letter))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::letters::{golden, letter};
    use super::*;

    #[test]
    fn it_reads_as_it_should() {
        golden("mail", |letter| {
            let subject = format!("{} {}", sign(letter), one_line(&letter.title));
            format!("Subject: {subject}\n\n{}\n{}", plain(letter, "Дача"), html(letter, "Дача"))
        });
    }

    #[test]
    fn nothing_that_people_write_is_html() {
        let evil = "<script>alert(1)</script> \"&' ";
        let letter = Letter { title: evil.into(), body: evil.into(), link: Some(evil.into()), ..letter() };
        let text = html(&letter, evil);
        assert!(
            !text.contains("<script") && text.contains("&lt;script&gt;alert(1)&lt;/script&gt; &quot;&amp;&#39; "),
            "{text}"
        );
    }

    #[test]
    fn an_address_is_one_address() {
        let of = |text: &str| addressee(&Address([("address".to_owned(), text.to_owned())].into()));
        assert!(of("anna@example.org").is_ok() && of(" anna@example.org ").is_ok());
        for bad in
            ["", "anna", "anna@", "a b@example.org", "a@b.ru\r\nBcc: c@d.ru", "анна@example.org", "a@b.ru,c@d.ru"]
        {
            assert!(of(bad).is_err(), "{bad:?}");
        }
        assert!(addressee(&Address::default()).is_err());
    }
}
