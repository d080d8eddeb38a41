//! Roads that a person walks, without scripts.

use axum::http::{StatusCode, header};

use super::visitor::{LOGIN, NOON, ORIGIN, PASSWORD, home};

#[tokio::test]
async fn set_up_sign_out_sign_in_and_hand_in_a_reading_without_scripts() {
    let home = home().await;
    let point = home.add_water("Кухня, холодная").await;
    let mut anna = home.visitor();
    anna.get("/").await;
    assert_eq!(anna.path, "/setup", "nobody owns the home yet");
    let mut anna = home.owner("Анна").await;
    assert!(anna.page.contains("Добрый день, Анна"), "{}", anna.page);
    assert!(anna.cookies.contains_key("__Host-domovoi"));
    anna.send("/sign-out", &[]).await;
    assert_eq!(anna.path, "/sign-in");
    assert!(!anna.cookies.contains_key("__Host-domovoi"));

    anna.get(&format!("/meters/{point}")).await;
    assert!(anna.path.starts_with("/sign-in?to=%2Fmeters%2F"), "{}", anna.path);
    let next = format!("/meters/{point}");
    anna.send("/sign-in", &[("login", LOGIN), ("password", "не тот пароль совсем"), ("next", &next)]).await;
    assert_eq!(anna.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(anna.page.contains("Не подходит"), "{}", anna.page);
    assert_eq!(anna.complaints(), Vec::<String>::new());
    home.clock.set(NOON.plus_millis(60_000));
    anna.send("/sign-in", &[("login", "ANNA"), ("password", PASSWORD), ("next", &next)]).await;
    assert_eq!(anna.path, next, "and on to where one wanted to go: {}", anna.page);

    let action = format!("/meters/{point}/readings");
    anna.send(&action, &[("t1", "абв")]).await;
    assert!(anna.page.contains("«абв» не похоже на число"), "{}", anna.page);
    anna.send(&action, &[("t1", "100,5")]).await;
    assert_eq!(anna.path, format!("/meters/{point}?done"), "{}", anna.page);
    assert!(anna.page.contains("100,5") && anna.page.contains("Анна"), "{}", anna.page);
    assert_eq!(anna.complaints(), Vec::<String>::new());

    // A reading that goes down is doubted, and taken once a person says that it is so.
    anna.send(&action, &[("t1", "50")]).await;
    assert_eq!(anna.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(anna.page.contains("id=\"doubt\""), "{}", anna.page);
    anna.send(&action, &[("t1", "50"), ("confirm", "yes")]).await;
    assert_eq!(anna.path, format!("/meters/{point}?done"), "{}", anna.page);
}

#[tokio::test]
async fn a_reading_goes_in_with_its_photo_and_a_file_that_is_none_is_explained() {
    let home = home().await;
    let point = home.add_water("Кухня").await;
    let mut anna = home.owner("Анна").await;
    let action = format!("/meters/{point}/readings");
    anna.get(&format!("/meters/{point}")).await;
    anna.upload(&action, &[("t1", "101")], b"this is no picture").await;
    assert_eq!(anna.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(anna.page.contains("не фотография"), "{}", anna.page);
    let mut png = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(8, 8).write_to(&mut png, image::ImageFormat::Png).unwrap();
    anna.upload(&action, &[("t1", "101")], &png.into_inner()).await;
    assert_eq!(anna.path, format!("/meters/{point}?done"), "{}", anna.page);
    assert!(anna.page.contains("с фотографией"), "{}", anna.page);
}

#[tokio::test]
async fn a_form_that_is_not_ours_changes_nothing() {
    let home = home().await;
    let mut anna = home.owner("Анна").await;
    let csrf = anna.csrf();
    assert!(!csrf.is_empty());
    anna.get("/me").await;
    for (fields, origin) in [
        (vec![("csrf", csrf.as_str())], None),
        (vec![("csrf", csrf.as_str())], Some("https://evil.example")),
        (vec![("csrf", csrf.as_str())], Some("null")),
        (vec![], Some(ORIGIN)),
        (vec![("csrf", "")], Some(ORIGIN)),
        (vec![("csrf", "0000000000000000000000000000000000000000000")], Some(ORIGIN)),
    ] {
        anna.post("/sign-out", &fields, origin).await;
        assert_eq!(anna.status, StatusCode::FORBIDDEN, "{fields:?} from {origin:?}");
        anna.get("/me").await;
        assert_eq!(anna.path, "/me", "still signed in after {fields:?} from {origin:?}");
    }
    // Before signing in there is no token: the origin alone tells.
    let mut stranger = home.visitor();
    for origin in [None, Some("https://evil.example"), Some("null")] {
        stranger.post("/sign-in", &[("login", LOGIN), ("password", PASSWORD)], origin).await;
        assert_eq!(stranger.status, StatusCode::FORBIDDEN, "{origin:?}");
        assert!(stranger.cookies.is_empty());
    }
}

#[tokio::test]
async fn what_is_dangerous_asks_who_it_is_again_and_leads_back() {
    let home = home().await;
    let mut anna = home.owner("Анна").await;
    home.clock.set(NOON.plus_millis(3_600_000));
    anna.get("/people/new").await;
    assert_eq!(anna.path, "/step-up?to=%2Fpeople%2Fnew", "{}", anna.page);
    assert_eq!(anna.complaints(), Vec::<String>::new());
    let before = anna.cookies.clone();
    anna.send("/step-up", &[("factor", "password"), ("password", "не тот"), ("next", "/people/new")]).await;
    assert!(anna.page.contains("Не подходит"), "{}", anna.page);
    home.clock.set(NOON.plus_millis(3_700_000));
    anna.send("/step-up", &[("factor", "password"), ("password", PASSWORD), ("next", "/people/new")]).await;
    assert_eq!(anna.path, "/people/new", "{}", anna.page);
    assert_ne!(anna.cookies, before, "the session has a new cookie");

    // A guest needs a last day, and gets one.
    anna.send("/people", &[("name", "Пётр"), ("role", "guest"), ("until", "")]).await;
    assert!(anna.page.contains("последний день"), "{}", anna.page);
    anna.send("/people", &[("name", "Пётр"), ("role", "guest"), ("until", "2026-11-25"), ("contact", "petr")]).await;
    assert!(anna.path.starts_with("/people/") && anna.page.contains("до 25 ноября, 23:59"), "{}", anna.page);
    let person = anna.path.clone();

    // The link is shown once, and its secret stands behind the sign that is not sent.
    anna.send(&format!("{person}/invitation"), &[]).await;
    let link = anna.page.split("/entry#").nth(1).map(|rest| rest.split('<').next().unwrap().to_owned());
    let token = link.expect("the link is on the page");
    let mut petr = home.visitor();
    petr.get("/entry").await;
    petr.send("/entry", &[("token", &token), ("password", "короткий")]).await;
    assert_eq!(petr.status, StatusCode::UNPROCESSABLE_ENTITY);
    petr.send("/entry", &[("token", &token), ("password", "шёл медведь по лесу тихо")]).await;
    assert_eq!(petr.path, "/security", "{}", petr.page);
    petr.get("/journal").await;
    assert_eq!(petr.status, StatusCode::OK, "everybody may read of their own deeds");
    petr.get("/people").await;
    assert_eq!(petr.status, StatusCode::FORBIDDEN);
    assert_eq!(petr.complaints(), Vec::<String>::new());

    // Erased by typing the name; a slip is not enough.
    anna.get(&format!("{person}/erase")).await;
    anna.send(&format!("{person}/erase"), &[("name", "Анна")]).await;
    assert!(anna.page.contains("не совпадает"), "{}", anna.page);
    anna.send(&format!("{person}/erase"), &[("name", "пётр")]).await;
    assert_eq!(anna.path, "/people", "{}", anna.page);
    assert!(!anna.page.contains("Пётр"));
    petr.get("/me").await;
    assert!(petr.path.starts_with("/sign-in"), "{}", petr.path);
}

#[tokio::test]
async fn a_new_phone_is_let_in_by_an_old_one_without_scripts() {
    let home = home().await;
    let mut anna = home.owner("Анна").await;
    let mut phone = home.visitor();
    phone.get("/sign-in/device").await;
    phone.send("/sign-in/device", &[("kind", "phone")]).await;
    assert_eq!(phone.complaints(), Vec::<String>::new());
    let value = |page: &str, name: &str| {
        let page = super::html::read(page);
        let field = page.tags.iter().find(|tag| tag.name == "input" && tag.get("name") == Some(name));
        field.and_then(|tag| tag.get("value")).unwrap().to_owned()
    };
    let (code, secret) = (value(&phone.page, "code"), value(&phone.page, "secret"));
    phone.send("/sign-in/device/state", &[("code", &code), ("secret", &secret)]).await;
    assert!(phone.page.contains("/sign-in/device/state"), "still waiting: {}", phone.page);
    anna.get(&format!("/pair?code={code}")).await;
    assert_eq!(anna.complaints(), Vec::<String>::new());
    anna.send(&format!("/pair/{code}/approval"), &[("name", "Телефон Анны")]).await;
    assert!(anna.page.contains("устройство впущено"), "{}", anna.page);
    phone.send("/sign-in/device/state", &[("code", &code), ("secret", &secret)]).await;
    assert_eq!(phone.path, "/", "{}", phone.page);
    assert!(phone.page.contains("Анна"));
}

#[tokio::test]
async fn consent_is_a_document_of_its_own_and_is_withdrawn_as_easily() {
    let home = home().await;
    let mut anna = home.owner("Анна").await;
    anna.get("/portal/consent").await;
    assert!(anna.page.contains("Я, Анна, согласен (согласна)"), "{}", anna.page);
    anna.send("/portal/consent", &[]).await;
    assert_eq!(anna.status, StatusCode::UNPROCESSABLE_ENTITY, "a box that nobody ticked is no consent");
    assert!(!home.desk.metering.standing_consent().await.unwrap());
    anna.send("/portal/consent", &[("agree", "yes")]).await;
    assert!(home.desk.metering.standing_consent().await.unwrap(), "{}", anna.page);
    anna.send("/portal/consent/withdrawal", &[]).await;
    assert!(!home.desk.metering.standing_consent().await.unwrap());
}

#[tokio::test]
async fn colours_and_language_are_kept_by_the_browser() {
    let home = home().await;
    let mut stranger = home.visitor();
    stranger.get("/help").await;
    assert!(stranger.page.contains("data-theme=\"auto\"") && stranger.page.contains("lang=\"ru\""));
    stranger.get("/setup").await;
    stranger.send("/look", &[("theme", "contrast"), ("language", "en"), ("next", "/help")]).await;
    assert_eq!(stranger.path, "/help");
    assert!(stranger.page.contains("data-theme=\"contrast\"") && stranger.page.contains("lang=\"en\""));
    stranger.get("/setup").await;
    stranger.send("/look", &[("theme", "<script>"), ("next", "//evil.example")]).await;
    assert_eq!(stranger.path, "/setup", "to the front page, and on from there");
    assert!(stranger.page.contains("data-theme=\"contrast\""), "what is unknown changes nothing");
}

#[tokio::test]
async fn files_are_kept_by_browsers_for_good_and_pages_not_at_all() {
    let home = home().await;
    let mut stranger = home.visitor();
    let css = super::super::assets::address("domovoi.css");
    stranger.get(css).await;
    assert_eq!(stranger.headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert!(stranger.page.contains("--ground"));
    for path in ["/assets/domovoi.css", "/assets/..%2f..%2fetc%2fpasswd", "/assets/none"] {
        stranger.get(path).await;
        assert_eq!(stranger.status, StatusCode::NOT_FOUND, "{path}");
    }
    stranger.get("/sign-in").await;
    assert_eq!(stranger.headers[header::CACHE_CONTROL], "no-store");
    stranger.get("/no-such-page").await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    assert!(stranger.page.contains("Такой страницы нет"), "{}", stranger.page);
}
