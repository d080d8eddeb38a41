//! «Облака»: which clouds there are, linking, what is there and what of it was taken, the end of a link. Works without a
//! script: while somebody types a code in elsewhere, the page is looked at again.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;

use super::form::Form;
use super::refusal::Fault;
use super::security::picture;
use super::trouble::Trouble;
use super::view::View;
use super::{go, shown, wrong};
use crate::audit::Note;
use crate::clouds::{CloudView, CloudsError, LinkState, Progress};
use crate::policy::{Kind, Object, Verb};
use crate::web::{Desk, cloud_words as said};

struct ThingLine {
    device: String,
    name: String,
    room: String,
    /// Where it stands, in words.
    standing: String,
    /// It has a page of its own.
    is_known: bool,
    waits: bool,
    gone: Option<String>,
}

struct CloudPanel {
    name: &'static str,
    title: String,
    words: String,
    is_set: bool,
    is_linked: bool,
    ways: (bool, bool),
    scopes: Vec<String>,
    /// The code to be typed in, its page, a picture of that.
    code: Option<(String, String, String)>,
    /// The page whose code is to be copied.
    page: Option<String>,
    begun: bool,
    failed: Option<String>,
    looked_at: Option<String>,
    calls: String,
    things: Vec<ThingLine>,
    scenes: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "clouds.html")]
struct CloudsPage {
    v: View,
    trouble: Trouble,
    clouds: Vec<CloudPanel>,
    edits: bool,
    commands: bool,
}

fn panel(desk: &Desk, view: &View, cloud: &CloudView, edits: bool) -> CloudPanel {
    let language = view.language();
    let code = match &cloud.progress {
        Progress::Code(code) if edits => {
            let page = code.page_with_code.as_ref().unwrap_or(&code.page).to_string();
            let drawn = picture(&page);
            Some((code.user_code.clone(), page, drawn))
        }
        _ => None,
    };
    let page = match &cloud.progress {
        Progress::Page(page) if edits => Some(page.to_string()),
        _ => None,
    };
    let things = cloud.things.iter().map(|thing| {
        let standing = desk.devices.standing_of(&thing.device);
        let key = match (thing.ours, standing) {
            (true, _) => "page-cloud-ours".to_owned(),
            (false, Some(standing)) => format!("page-cloud-{}", standing.code()),
            (false, None) => "page-cloud-unknown".to_owned(),
        };
        ThingLine {
            device: thing.device.to_string(),
            name: if thing.name.is_empty() { thing.device.id.clone() } else { thing.name.clone() },
            room: thing.room.clone().unwrap_or_default(),
            standing: view.t(&key),
            is_known: standing.is_some() && !thing.ours,
            waits: standing == Some(crate::devices::Standing::Waiting),
            gone: thing.gone_at.map(|at| view.moment(&at)),
        }
    });
    CloudPanel {
        name: cloud.name,
        title: said::title(cloud.name, language),
        words: said::standing(cloud, language),
        is_set: cloud.is_set,
        is_linked: cloud.state != LinkState::Unlinked,
        ways: if matches!(cloud.state, LinkState::Linked { .. }) { (false, false) } else { cloud.ways },
        scopes: cloud.scopes.iter().map(|scope| said::scope(cloud.name, scope, language)).collect(),
        code,
        page,
        begun: cloud.progress == Progress::Begun,
        failed: match &cloud.progress {
            Progress::Failed(why) => Some(why.clone()),
            _ => None,
        },
        looked_at: cloud.looked_at.map(|at| view.moment_and_age(&at)),
        calls: view.t2("page-cloud-calls", "calls", cloud.calls.0, "most", cloud.calls.1),
        things: things.collect(),
        scenes: cloud.scenes.iter().map(|scene| (scene.id.clone(), scene.name.clone())).collect(),
    }
}

fn page(desk: &Desk, view: View) -> CloudsPage {
    let edits = view.may(Verb::Edit, &Object::all(Kind::Cloud));
    let clouds = desk.clouds.list();
    CloudsPage {
        clouds: clouds.iter().map(|cloud| panel(desk, &view, cloud, edits)).collect(),
        trouble: Trouble::default(),
        commands: view.may(Verb::Command, &Object::all(Kind::Cloud)),
        edits,
        v: view,
    }
}

fn after(desk: &Desk, view: View, outcome: Result<(), CloudsError>) -> Result<Response, Fault> {
    match outcome {
        Ok(()) => Ok(go("/clouds")),
        Err(CloudsError::NoSuch(_)) => Err(Fault::NotFound),
        Err(CloudsError::Store(error)) => Err(error.into()),
        Err(error) => {
            let text = said::error(&error, view.language());
            let mut page = page(desk, view);
            page.trouble = Trouble::at("code", text);
            Ok(wrong(&page))
        }
    }
}

pub async fn show(State(desk): State<Desk>, view: View) -> Response {
    shown(&page(&desk, view))
}

/// By a code that is typed in there, or one that is copied from there.
pub async fn link(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(cloud): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let outcome = match form.text("way") {
        "device" => desk.clouds.link_by_device(&cloud),
        "page" => desk.clouds.link_by_page(&cloud).await.map(drop),
        _ => return Err(Fault::BadForm),
    };
    note.change("name", None, Some(cloud));
    after(&desk, view, outcome)
}

pub async fn copied(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(cloud): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let outcome = desk.clouds.copied(&cloud, form.text("code")).await.map(drop);
    note.change("name", None, Some(cloud));
    after(&desk, view, outcome)
}

pub async fn cancel(
    State(desk): State<Desk>,
    view: View,
    Path(cloud): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let outcome = desk.clouds.cancel(&cloud);
    after(&desk, view, outcome)
}

/// What came from there is kept unless somebody ticked that it is to be forgotten.
pub async fn unlink(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path(cloud): Path<String>,
    form: Form,
) -> Result<Response, Fault> {
    let outcome = desk.clouds.unlink(&cloud, form.is("forget")).await;
    note.change("name", Some(cloud), None);
    match outcome {
        Ok(gone) if gone.was_linked && !gone.told_cloud => {
            let why = gone.detail.unwrap_or_default();
            let mut page = page(&desk, view);
            page.trouble = Trouble::at("code", page.v.t1("page-cloud-not-told", "why", why));
            Ok(shown(&page))
        }
        outcome => after(&desk, view, outcome.map(drop)),
    }
}

pub async fn look(
    State(desk): State<Desk>,
    view: View,
    Path(cloud): Path<String>,
    _form: Form,
) -> Result<Response, Fault> {
    let outcome = desk.clouds.look(&cloud);
    after(&desk, view, outcome)
}

pub async fn start(
    State(desk): State<Desk>,
    Extension(note): Extension<Note>,
    view: View,
    Path((cloud, scenario)): Path<(String, String)>,
    _form: Form,
) -> Result<Response, Fault> {
    let outcome = desk.clouds.start_scene(&cloud, &scenario).await;
    note.change("name", None, Some(scenario));
    after(&desk, view, outcome)
}
