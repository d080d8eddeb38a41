//! A hub whose page and API are served, on https with its own authority or, as the demo does, in clear on localhost; and
//! people who have signed in there.

use std::path::Path;

use domovoi::audit::Origin;
use domovoi::clock::Clock;
use domovoi::people::{NewPerson, Person, Profile};
use domovoi::policy::Role;
use domovoi::web::{Desk, cookies};
use domovoi::{House, HouseError, Sockets, Stage};
use domovoi_config::Settings;
use domovoi_vault::Secret;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::crypto;

/// The owner's password in tests: long enough to stand alone.
pub const PASSWORD: &str = "тридцать три коровы и баян";

/// The name by which browsers in tests reach a hub on https.
pub const HOST: &str = "domovoi.local";

/// A running hub with a page.
pub struct Site {
    /// `http://localhost:PORT` or `https://domovoi.local:PORT`.
    pub origin: String,
    /// The port.
    pub port: u16,
    /// Where its broker listens, in clear.
    pub mqtt: std::net::SocketAddr,
    /// All its rooms.
    pub desk: Desk,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), HouseError>>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Who.
    pub person: Person,
    /// The cookie's line, `name=value`.
    pub cookie: String,
    /// Against forged forms.
    pub csrf: String,
}

impl Site {
    /// In clear on localhost, which browsers hold for safe.
    pub async fn in_clear(folder: &Path, text: &str, clock: Clock) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let stage = Stage { clear_port: Some(port), ..Stage::default() };
        let sockets = Sockets { in_clear: Some(listener), ..Sockets::default() };
        Self::start(folder, text, clock, stage, sockets, format!("http://localhost:{port}"), port).await
    }

    /// On https, under a certificate of the hub's own authority.
    pub async fn https(folder: &Path, text: &str, clock: Clock) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let web = format!("[web]\nhost = \"{HOST}\"\nlisten = [\"127.0.0.1:{port}\"]");
        let text = text.replace("[web]\nlisten = [\"127.0.0.1:0\"]", &web);
        let sockets = Sockets { https: vec![listener], ..Sockets::default() };
        let origin = format!("https://{HOST}:{port}");
        Self::start(folder, &text, clock, Stage::default(), sockets, origin, port).await
    }

    async fn start(
        folder: &Path,
        text: &str,
        clock: Clock,
        stage: Stage,
        sockets: Sockets,
        origin: String,
        port: u16,
    ) -> Site {
        crypto();
        let settings = match Settings::parse(text, "test.toml", folder) {
            Ok(settings) => settings,
            Err(mistakes) => panic!("{mistakes:?}"),
        };
        let broker = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mqtt = broker.local_addr().expect("an address");
        let sockets = Sockets { mqtt: vec![broker], ..sockets };
        let house = Box::pin(House::open_on(settings, clock, None, stage)).await.expect("the house opens");
        let desk = house.desk(true);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(house.run(sockets, async move {
            let _ = stopped.await;
        }));
        Site { origin, port, mqtt, desk, stop, running }
    }

    /// The certificate of the hub's own authority, PEM.
    pub fn authority(&self) -> String {
        let certificates = self.desk.certificates.as_ref().expect("a site on https");
        certificates.authority().expect("an authority").pem
    }

    /// An address of this site.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The first owner, set up as the page does it, and signed in.
    pub async fn owner(&self) -> Visitor {
        let token = self.desk.signin.setup_token().await.expect("a token");
        let owner = NewPerson {
            name: "Анна".into(),
            role: Role::Owner,
            contacts: vec!["anna".into()],
            profile: Profile::default(),
            until: None,
        };
        let opened = self
            .desk
            .signin
            .set_up(token.expose(), owner, Secret::new(PASSWORD.into()), &Origin::default())
            .await
            .expect("the first owner is set up");
        self.visitor(&opened)
    }

    /// Somebody of this role with a login name and the same password, signed in. Guests stay for a week.
    pub async fn person(&self, name: &str, login: &str, role: Role) -> Visitor {
        let until = (role == Role::Guest).then(|| self.desk.clock.wall().plus_millis(7 * 86_400_000));
        let new =
            NewPerson { name: name.into(), role, contacts: vec![login.into()], profile: Profile::default(), until };
        let person = self.desk.people.add(new).await.expect("a person is added");
        let link = self.desk.signin.entry_token(person.id, true).await.expect("an invitation");
        self.enter(&link).await
    }

    /// Whoever has this link, signed in with the usual password.
    pub async fn enter(&self, link: &Secret<String>) -> Visitor {
        let opened = self
            .desk
            .signin
            .enter(link.expose(), Some(Secret::new(PASSWORD.into())), &Origin::default())
            .await
            .expect("the invitation is taken");
        self.visitor(&opened)
    }

    fn visitor(&self, opened: &domovoi::signin::Opened) -> Visitor {
        let line = cookies::session(&self.desk.front, opened);
        let line = line.to_str().expect("a cookie").split(';').next().expect("its first part").to_owned();
        let person = opened.session.person.and_then(|id| self.desk.people.get(id)).expect("a person");
        Visitor { person, cookie: line, csrf: opened.session.csrf.expose().clone() }
    }

    /// A client that trusts the hub's authority and knows where its host is. It follows no redirect.
    pub fn client(&self) -> reqwest::Client {
        crypto();
        let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        if self.origin.starts_with("https") {
            let authority = reqwest::Certificate::from_pem(self.authority().as_bytes()).expect("a certificate");
            builder = builder
                .tls_certs_only([authority])
                .resolve(HOST, std::net::SocketAddr::from(([127, 0, 0, 1], self.port)));
        }
        builder.build().expect("a client")
    }

    /// Asks the API as somebody.
    pub async fn ask(&self, who: &Visitor, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self
            .client()
            .request(method, self.at(path))
            .header("cookie", &who.cookie)
            .header("origin", &self.origin)
            .header("x-csrf-token", &who.csrf);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(json!(null)))
    }

    /// Stops it cleanly.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        drop(self.desk);
        self.running.await.expect("the house does not panic").expect("the house stops cleanly");
    }
}
