//! The doors of ways in: what people sign in with and where they are signed in, and the way in itself. Who is let in is
//! decided by the sign-in room; what the calls take and give stands beside each of them.

use axum::http::Method;

use super::{MAX_BODY, MAX_SIGN_IN_BODY, factors, pairing, sessions, setup, sign_in, tokens};
use crate::policy::{Kind, Verb};
use crate::web::{Desk, Doors, Rule, rule};

/// What a person signs in with, and where they are signed in.
pub(super) fn of_people(desk: &Desk) -> Doors {
    use Kind::{Factor, Session, Token};
    use Verb::{Edit, See};
    const fn of(verb: Verb, kind: Kind) -> Rule {
        rule(verb, kind).of("person")
    }
    let (get, post, put, patch, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::PATCH, &Method::DELETE);
    Doors::new(desk, MAX_BODY)
        .door(get, "/api/v1/people/{person}/factors", of(See, Factor), factors::list)
        .door(
            delete,
            "/api/v1/people/{person}/factors/{factor}",
            of(Edit, Factor).which("factor").dangerous().deed("factor.removed"),
            factors::remove,
        )
        .door(
            put,
            "/api/v1/people/{person}/password",
            of(Edit, Factor).dangerous().deed("password.set"),
            factors::set_password,
        )
        .door(post, "/api/v1/people/{person}/password/judgement", of(See, Factor), factors::judge_password)
        .door(post, "/api/v1/people/{person}/passkeys/offer", of(Edit, Factor).dangerous(), factors::passkey_offer)
        .door(
            post,
            "/api/v1/people/{person}/passkeys",
            of(Edit, Factor).dangerous().deed("passkey.added"),
            factors::add_passkey,
        )
        .door(post, "/api/v1/people/{person}/totp/offer", of(Edit, Factor).dangerous(), factors::totp_offer)
        .door(post, "/api/v1/people/{person}/totp", of(Edit, Factor).dangerous().deed("totp.added"), factors::add_totp)
        .door(
            post,
            "/api/v1/people/{person}/recovery-codes",
            of(Edit, Factor).dangerous().deed("recovery-codes.made"),
            factors::recovery_codes,
        )
        .door(put, "/api/v1/people/{person}/pin", of(Edit, Factor).dangerous().deed("pin.set"), factors::set_pin)
        .door(get, "/api/v1/people/{person}/sessions", of(See, Session), sessions::list)
        .door(delete, "/api/v1/people/{person}/sessions", of(Edit, Session).deed("sessions.ended"), sessions::end_all)
        .door(
            patch,
            "/api/v1/people/{person}/sessions/{session}",
            of(Edit, Session).which("session").deed("session.named"),
            sessions::name,
        )
        .door(
            delete,
            "/api/v1/people/{person}/sessions/{session}",
            of(Edit, Session).which("session").deed("session.ended"),
            sessions::end,
        )
        .door(get, "/api/v1/people/{person}/tokens", of(See, Token), tokens::list)
        .door(post, "/api/v1/people/{person}/tokens", of(Edit, Token).dangerous().deed("token.issued"), tokens::issue)
        .door(
            delete,
            "/api/v1/people/{person}/tokens/{token}",
            of(Edit, Token).which("token").dangerous().deed("token.ended"),
            tokens::end,
        )
        .door(get, "/api/v1/people/{person}/certificates", of(See, Token), tokens::certificates)
        .door(
            post,
            "/api/v1/people/{person}/certificates",
            of(Edit, Token).dangerous().deed("certificate.added"),
            tokens::add_certificate,
        )
        .door(
            delete,
            "/api/v1/people/{person}/certificates/{certificate}",
            of(Edit, Token).which("certificate").dangerous().deed("certificate.ended"),
            tokens::end_certificate,
        )
}

/// The way in. What lies on the threshold guards itself: by a password, a one-time secret, a code on another device; and
/// the sign-in room writes what came of it.
pub(super) fn of_strangers(desk: &Desk) -> Doors {
    use Kind::{Factor, Session, Threshold};
    use Verb::{Command, Edit, See, Submit};
    let (get, post, delete) = (&Method::GET, &Method::POST, &Method::DELETE);
    Doors::new(desk, MAX_SIGN_IN_BODY)
        .door(post, "/api/v1/sign-in/password", rule(Submit, Threshold), sign_in::password)
        .door(post, "/api/v1/sign-in/second-factor", rule(Submit, Threshold), sign_in::second_factor)
        .door(post, "/api/v1/sign-in/passkey/challenge", rule(Submit, Threshold), sign_in::passkey_challenge)
        .door(post, "/api/v1/sign-in/passkey", rule(Submit, Threshold), sign_in::passkey)
        .door(post, "/api/v1/sign-in/code/send", rule(Submit, Threshold), sign_in::send_code)
        .door(post, "/api/v1/sign-in/code", rule(Submit, Threshold), sign_in::code)
        .door(post, "/api/v1/sign-in/pin", rule(Submit, Threshold), sign_in::pin)
        .door(post, "/api/v1/setup", rule(Submit, Threshold), setup::set_up)
        .door(post, "/api/v1/setup-link", rule(Edit, Factor).dangerous().deed("setup-link.made"), setup::setup_link)
        .door(post, "/api/v1/entry", rule(Submit, Threshold), setup::enter)
        .door(get, "/api/v1/session", rule(See, Threshold), sessions::mine)
        .door(delete, "/api/v1/session", rule(Command, Session).mine().deed("signed-out"), sessions::sign_out)
        .door(post, "/api/v1/step-up", rule(Edit, Session).mine(), sessions::step_up)
        .door(post, "/api/v1/step-up/passkey/challenge", rule(Edit, Session).mine(), sessions::step_up_challenge)
        .door(post, "/api/v1/pairings", rule(Submit, Threshold), pairing::begin)
        .door(post, "/api/v1/pairings/state", rule(Submit, Threshold), pairing::state)
        .door(get, "/api/v1/pairings/{code}", rule(See, Session).mine(), pairing::show)
        .door(delete, "/api/v1/pairings/{code}", rule(Edit, Session).mine().deed("pairing.refused"), pairing::refuse)
        .door(
            post,
            "/api/v1/pairings/{code}/approval",
            rule(Edit, Session).mine().dangerous().deed("pairing.approved"),
            pairing::approve,
        )
}
