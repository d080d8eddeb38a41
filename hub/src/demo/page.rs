//! The demo's page: the whole site in clear at `http://localhost:8080`, for this machine's own browsers only, and the
//! one-time link that makes the first owner. It prints; what the link is worth is the sign-in room's business.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;

use super::journey::Journey;
use crate::house::House;
use crate::web::Desk;

/// The port that the README names, and those that are tried when another program has it.
const PORTS: std::ops::RangeInclusive<u16> = 8080..=8099;

/// A listener on the first of these ports that is free.
pub async fn listen() -> Result<TcpListener> {
    let mut last = None;
    for port in PORTS {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into());
    Err(error).with_context(|| {
        format!(
            "no port for the page on 127.0.0.1: {} to {} are all taken; stop what has them",
            PORTS.start(),
            PORTS.end()
        )
    })
}

/// Prints the link while nobody owns the home, now and whenever somebody presses Enter.
pub async fn invite(house: &House, journey: &Journey) {
    let desk = house.desk(true);
    print(&desk, journey).await;
    if !std::io::stdin().is_terminal() {
        return;
    }
    let journey = journey.clone();
    let (pressed, mut presses) = tokio::sync::mpsc::channel(1);
    // Reading a terminal cannot be interrupted: the thread waits there until the process ends.
    std::thread::spawn(move || {
        let mut line = String::new();
        while std::io::stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0) && pressed.blocking_send(()).is_ok() {
            line.clear();
        }
    });
    tokio::spawn(async move {
        while presses.recv().await.is_some() {
            print(&desk, &journey).await;
        }
    });
}

async fn print(desk: &Desk, journey: &Journey) {
    match desk.owner_link().await {
        Some(link) => journey.invitation(link.expose()),
        None => journey.page(desk.front.origins.first().map_or("", String::as_str)),
    }
}
