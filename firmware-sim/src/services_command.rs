//! `firmware-sim services`: all pretended services at once, their addresses, and a line for whatever they take.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;
use clap::Args;
use firmware_sim::services::bot::BotServer;
use firmware_sim::services::feeds::FeedServer;
use firmware_sim::services::ntfy::NtfyServer;
use firmware_sim::services::push::PushService;
use firmware_sim::services::sms::{Gateway, SmsGateways};
use firmware_sim::services::smtp::{SmtpServer, SmtpSettings};
use firmware_sim::services::webhook::WebhookSink;
use firmware_sim::system_clock;

/// The key of the gateways and the token of the bot: they are no secrets.
const KEY: &str = "pretended-key";
const TOKEN: &str = "1000:pretended-token";

#[derive(Args)]
pub struct Services {
    /// The address to listen at; each service takes a free port.
    #[arg(long, default_value = "127.0.0.1")]
    listen: IpAddr,
}

pub async fn run(wish: Services) -> anyhow::Result<()> {
    let at = SocketAddr::new(wish.listen, 0);
    let mail = SmtpServer::start(at, SmtpSettings::default()).await?;
    let push = PushService::start(at, system_clock()).await?;
    let sms = SmsGateways::start(at, KEY).await?;
    let ntfy = NtfyServer::start(at, None).await?;
    let bot = BotServer::start(at, TOKEN).await?;
    let hook = WebhookSink::start(at).await?;
    let feeds = FeedServer::start(at, system_clock()).await?;
    let browser = push.subscribe(None);
    println!("smtp      {}", mail.address());
    println!("push      {} p256dh {} auth {}", browser.endpoint, browser.p256dh, browser.auth);
    println!("sms.ru    {} key {KEY}", sms.url(Gateway::SmsRu));
    println!("smsc.ru   {} key {KEY}", sms.url(Gateway::SmscRu));
    println!("ntfy      {}", ntfy.url());
    println!("bot       {} token {TOKEN}", bot.url());
    println!("webhook   {} secret {}", hook.url(), hook.secret());
    println!("feed      {}", feeds.url("/atom.xml"));
    let mut seen = [0usize; 6];
    loop {
        let [mails, pushes, messages, notes, said, hooks] = seen;
        tokio::select! {
            all = mail.mail.wait_for(|all| all.len() > mails) => {
                for one in all.iter().skip(mails) {
                    println!("mail to {}: {}", one.to.join(", "), one.header("Subject").unwrap_or_default());
                }
                seen = [all.len(), pushes, messages, notes, said, hooks];
            }
            all = push.pushed.wait_for(|all| all.len() > pushes) => {
                for one in all.iter().skip(pushes) {
                    println!("push: {}", one.text);
                }
                seen = [mails, all.len(), messages, notes, said, hooks];
            }
            all = sms.taken.wait_for(|all| all.len() > messages) => {
                for one in all.iter().skip(messages) {
                    println!("sms to {}: {}", one.to, one.text);
                }
                seen = [mails, pushes, all.len(), notes, said, hooks];
            }
            all = ntfy.messages.wait_for(|all| all.len() > notes) => {
                for one in all.iter().skip(notes) {
                    println!("ntfy: {one}");
                }
                seen = [mails, pushes, messages, all.len(), said, hooks];
            }
            all = bot.sent.wait_for(|all| all.len() > said) => {
                for one in all.iter().skip(said) {
                    println!("bot to {}: {}", one.chat, one.text);
                }
                seen = [mails, pushes, messages, notes, all.len(), hooks];
            }
            all = hook.hooked.wait_for(|all| all.len() > hooks) => {
                for one in all.iter().skip(hooks) {
                    println!("webhook: {}", one.body);
                }
                seen = [mails, pushes, messages, notes, said, all.len()];
            }
            asked = tokio::signal::ctrl_c() => {
                asked.context("cannot listen for Ctrl-C")?;
                return Ok(());
            }
        }
    }
}
