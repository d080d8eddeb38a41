//! `$description` of version 5: all of a device in one document. What it has no more in it is gone.

use super::Place;
use super::datatype::{self, Words};
use crate::fault::{DecodeError, What, printable};
use crate::json::{self, Json, Members};
use crate::report::Report;
use crate::{Directory, Reach};

/// Bytes of a description; hundreds of properties are fewer.
const MAX_DESCRIPTION: usize = 256 << 10;
/// Nodes of a device.
const MAX_NODES: usize = 256;

pub(super) fn read(
    report: &mut Report<'_>,
    payload: &[u8],
    place: &Place<'_>,
    directory: &Directory,
) -> Result<(), DecodeError> {
    let document = json::document(payload, MAX_DESCRIPTION)?;
    let members = json::members(&document).map_err(|what| DecodeError::new(what, "$description", &document))?;
    let version = members.text("homie").unwrap_or_default();
    if version.split('.').next() != Some("5") {
        return Err(DecodeError::new(What::Foreign, "homie", members.get("homie").unwrap_or_default()));
    }
    for (key, raw) in &members.twice {
        report.fault(What::SaidTwice, key, raw);
    }
    let about = &mut report.about;
    about.name = members.text("name").map(|name| printable(&name));
    about.model = members.text("type").map(|kind| printable(&kind));
    let parent = |key: &str| members.text(key).filter(|id| super::is_id(id) && id != place.device);
    // A child is in reach as long as its root is.
    let root = parent("root").or_else(|| parent("parent"));
    about.via = root.map(|id| place.device(&id, directory));
    about.reaches = vec![if about.via.is_some() { Reach::All(2) } else { Reach::Latest }];
    // Alerts stand apart from it.
    about.properties.retain(|info| info.name.starts_with('$'));
    about.listens.clear();
    let Some(nodes) = members.get("nodes").filter(|raw| !matches!(Json::of(raw), Json::Null)) else { return Ok(()) };
    let nodes = json::members_up_to(nodes, MAX_NODES).map_err(|what| DecodeError::new(what, "nodes", nodes))?;
    for (node, raw) in &nodes.list {
        read_node(report, node, raw);
    }
    Ok(())
}

fn read_node(report: &mut Report<'_>, node: &str, raw: &str) {
    let Ok(members) = json::members(raw) else { return report.fault(What::WrongType, node, raw) };
    if !super::is_id(node) || node.contains('/') {
        return report.fault(What::BadName, node, raw);
    }
    let Some(raw) = members.get("properties") else { return };
    let properties = match json::members(raw) {
        Ok(properties) => properties,
        Err(what) => return report.fault(what, node, raw),
    };
    let node_name = members.text("name").map(|name| printable(&name));
    for (id, raw) in &properties.list {
        let name = format!("{node}/{id}");
        let Ok(members) = json::members(raw) else {
            report.fault(What::WrongType, &name, raw);
            continue;
        };
        if !super::is_id(id) || id.contains('/') {
            report.fault(What::BadName, &name, raw);
            continue;
        }
        // The convention: whoever says something illegal of a property has not said it at all.
        let Some(info) = words(&members, node_name.as_deref()).and_then(|words| datatype::property(&name, &words))
        else {
            report.fault(What::WrongType, &name, raw);
            continue;
        };
        if info.writable
            && let Some(prefix) = report.about.speaks.first()
        {
            let topic = format!("{prefix}/{name}/set");
            report.about.listens.push(topic);
        }
        report.has(info);
    }
}

fn words(members: &Members<'_>, node: Option<&str>) -> Option<Words> {
    let flag = |key: &str, usual: bool| match members.get(key).map(Json::of) {
        None | Some(Json::Null) => Some(usual),
        Some(Json::Bool(flag)) => Some(flag),
        Some(_) => None,
    };
    let text = |key: &str| match members.get(key).map(Json::of) {
        None | Some(Json::Null) => Some(None),
        Some(Json::Text(_)) => Some(members.text(key)),
        Some(_) => None,
    };
    let name = text("name")?.map(|name| printable(&name));
    let name = match (node, name) {
        (Some(node), Some(name)) if node != name => Some(printable(&format!("{node}: {name}"))),
        (node, name) => name.or_else(|| node.map(str::to_owned)),
    };
    Some(Words {
        name,
        datatype: Some(text("datatype")??),
        format: text("format")?,
        unit: text("unit")?,
        settable: flag("settable", false)?,
        transient: !flag("retained", true)?,
    })
}
