//! Bad files and what is said of them; the reference file, the examples and the locales against the readers.

use std::path::Path;
use std::time::Duration;

use domovoi_model::Resource;
use proptest::prelude::*;

use super::*;

const REFERENCE: &str = include_str!("../domovoi.toml");
const BASE: &str = "/etc/domovoi";

fn parse(text: &str) -> Result<Settings, Vec<Mistake>> {
    Settings::parse(text, "domovoi.toml", Path::new(BASE))
}

fn said(text: &str) -> Vec<String> {
    parse(text).err().unwrap_or_default().iter().map(Mistake::to_string).collect()
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    assert_eq!(said(text), expected, "\n{text}");
}

/// A supplier with the given lines, the first of which is line 6.
fn supplier(rest: &str) -> String {
    format!("[[supplier]]\nid = \"s\"\nname = \"S\"\nresources = [\"cold_water\", \"hot_water\"]\n\n{rest}")
}

#[test]
fn an_unknown_key_is_named_with_its_neighbour() {
    says(
        "[portal]\napi_base = \"https://p.example\"\nissuer = \"https://p.example\"\nclient-id = \"x\"\n\n[logg]\n",
        &[
            "domovoi.toml:4:1: portal.client-id: unknown key; did you mean `client_id`?",
            "domovoi.toml:6:2: logg: unknown key; did you mean `log`?",
        ],
    );
    says(
        "[portal]\nisuer = \"https://p.example\"\napi_base = \"https://p.example\"\n",
        &[
            "domovoi.toml:1:1: portal.issuer: is missing; write for example `issuer = \"https://id.portal.example\"`",
            "domovoi.toml:2:1: portal.isuer: unknown key; did you mean `issuer`?",
        ],
    );
    says("[home]\nquux = 1\n", &["domovoi.toml:2:1: home.quux: unknown key"]);
}

#[test]
fn history_keeps_what_it_is_told_to() {
    let settings = parse("[history]\nraw_size = \"64 MB\"\nraw_time = \"30 d\"\ncompact_over = 2000\n").unwrap();
    let store = settings.history.to_store();
    assert_eq!(store.raw, domovoi_store::Budget { bytes: 64_000_000, days: 30 });
    assert_eq!((store.compact_over, store.hours.days), (2000, 3660));
    assert_eq!(parse("").unwrap().history.to_store(), domovoi_store::HistorySettings::default());
    says(
        "[history]\nhours_time = \"40 d\"\n",
        &[
            "domovoi.toml:2:14: history.hours_time: hours would be kept for 40 d, and the finer five minutes for 366 d; \
           make `hours_time` at least `five_minutes_time`",
        ],
    );
    let tiny = said("[history]\nraw_size = \"1 kB\"\n");
    assert!(tiny.len() == 1 && tiny[0].contains("history.raw_size"), "{tiny:?}");
}

#[test]
fn cameras_are_told_where_and_how_much() {
    let defaults = Settings::defaults(Path::new(BASE)).cameras;
    assert_eq!(defaults.folder, Path::new("/etc/domovoi/domovoi-data/cameras"));
    assert_eq!((defaults.quota, defaults.keep_days, defaults.max_cameras), (32_000_000_000, 30, 16));
    let text = "[store]\ndata_dir = \"/data\"\n[cameras]\nfolder = \"/disk/archive\"\nkeep = \"7 d\"\nallow = [\"192.168.7.4\"]\n";
    let cameras = parse(text).unwrap().cameras;
    assert_eq!((cameras.folder.as_path(), cameras.keep_days), (Path::new("/disk/archive"), 7));
    assert!(cameras.allow.len() == 1 && cameras.allow[0].contains("192.168.7.4".parse().unwrap()));
    let place = parse(&whole_reference()).unwrap().cameras.places.remove(0);
    assert_eq!((place.name.as_str(), place.prefix.as_str(), place.spool), ("nas", "home", 2_000_000_000));
    assert_eq!(place.when_full, SpoolFull::OldestGoes);
    says(
        "[cameras]\nkeep = \"36 h\"\nsegment = \"10 min\"\nallow = [\"192.168.1.5/24\", \"lan\"]\nquotta = \"1 GB\"\n",
        &[
            "domovoi.toml:2:8: cameras.keep: recordings are kept for whole days, not for 36 h; write for example \"30 d\"",
            "domovoi.toml:3:11: cameras.segment: is 10 min, which is outside 1 min to 5 min",
            "domovoi.toml:4:10: cameras.allow[0]: 192.168.1.5/24 has bits behind the first 24; \
             write \"192.168.1.0/24\", or the address without `/`",
            "domovoi.toml:4:28: cameras.allow[1]: \"lan\" is not a network; \
             write for example \"192.168.0.0/16\" or \"192.168.1.20\"",
            "domovoi.toml:5:1: cameras.quotta: unknown key; did you mean `quota`?",
        ],
    );
    let place = |rest: &str| {
        format!("[[cameras.place]]\nname = \"nas\"\nbucket = \"cam\"\naccess_key = \"a\"\nkey_secret = \"k\"\n{rest}")
    };
    says(
        &place("endpoint = \"http://nas.lan\"\nkey = \"x\"\nsecret_key_password = \"hunter2\"\n"),
        &[
            "domovoi.toml:6:12: cameras.place[0].endpoint: plain http is for an address of the home; \
             write https, or for example \"http://192.168.1.5:9000\"",
            "domovoi.toml:7:1: cameras.place[0].key: unknown key; did you mean `key_secret`?",
            "domovoi.toml:8:1: cameras.place[0].secret_key_password: secrets do not belong in this file, which is copied, \
             mailed and backed up; remove the line and run `domovoi secret set cameras_place_0_secret_key_password`, \
             which keeps it sealed in the vault",
        ],
    );
    let good = "endpoint = \"http://192.168.1.5:9000\"\n";
    assert!(parse(&place(good)).is_ok());
    says(
        &format!("{}{}", place(good), place(&format!("{good}ca_file = \"ca.pem\"\n"))),
        &[
            "domovoi.toml:8:8: cameras.place[1].name: \"nas\" is already the place at line 1; give each place a name of its own",
            "domovoi.toml:13:11: cameras.place[1].ca_file: has no effect without TLS; write https in `endpoint`",
        ],
    );
    let missing = said("[[cameras.place]]\nname = \"local\"\n");
    assert_eq!(missing.len(), 5, "{missing:#?}");
}

#[test]
fn wrong_types() {
    says("home = 5\n", &["domovoi.toml:1:8: home: expected a table, found a whole number"]);
    says(
        "[mqtt]\nenabled = \"yes\"\n",
        &["domovoi.toml:2:11: mqtt.enabled: expected true or false without quotes, found a string"],
    );
    says(
        "[mqtt]\nmax_connections = \"5\"\n",
        &["domovoi.toml:2:19: mqtt.max_connections: expected a whole number without quotes, found a string"],
    );
    says(
        "[mqtt]\nmax_connections = 0\n",
        &["domovoi.toml:2:19: mqtt.max_connections: is 0, which is outside 1 to 2000"],
    );
    says(
        "[mqtt]\nmax_connections = 99999999999999999999\n",
        &["domovoi.toml:2:19: mqtt.max_connections: is a number of more than 64 bits"],
    );
    says(
        "[mqtt]\nlisten = \"127.0.0.1:1883\"\n",
        &["domovoi.toml:2:10: mqtt.listen: expected a list in square brackets, found a string"],
    );
    says(
        "[supplier]\nid = \"a\"\n",
        &["domovoi.toml:1:1: supplier: expected a list of tables, found a table; \
         begin each with `[[supplier]]` in double brackets"],
    );
}

#[test]
fn bad_scalars() {
    says(
        "[home]\ntime_zone = \"Europe/Moskow\"\nlanguage = \"RU\"\n",
        &[
            "domovoi.toml:2:13: home.time_zone: \"Europe/Moskow\" is no time zone of the IANA database; \
         did you mean `Europe/Moscow`?",
            "domovoi.toml:3:12: home.language: \"RU\" is none of \"ru\", \"en\"; did you mean `ru`?",
        ],
    );
    let durations = "write a whole number and its unit, like \"20 ms\", \"2 s\", \"5 min\", \"3 h\" or \"2 d\"";
    says(
        "[store]\ncommit_every = \"20 msec\"\n",
        &[&format!("domovoi.toml:2:16: store.commit_every: \"20 msec\" is not a duration; {durations}")],
    );
    says(
        "[store]\ncommit_every = 20\n",
        &[&format!(
            "domovoi.toml:2:16: store.commit_every: expected a string in quotes, found a whole number; {durations}"
        )],
    );
    says(
        "[store]\ncommit_every = \"3 s\"\n",
        &["domovoi.toml:2:16: store.commit_every: is 3 s, which is outside 0 ms to 2 s"],
    );
    says(
        "[store]\ndata_dir = \"~/domovoi\"\n",
        &[
            "domovoi.toml:2:12: store.data_dir: `~` is a thing of the shell and means nothing here; write the whole path",
        ],
    );
    says(
        "[log]\nfilter = \"inof\"\n",
        &["domovoi.toml:2:10: log.filter: \"inof\" is not a log level; did you mean `info`?"],
    );
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let text = "[external_broker]\nhost = \"10.0.0.2\"\nusername = \"hub\"\npassword = \"hunter2\"\n";
    says(
        text,
        &["domovoi.toml:4:1: external_broker.password: secrets do not belong in this file, which is copied, \
         mailed and backed up; remove the line and run `domovoi secret set external_broker_password`, \
         which keeps it sealed in the vault"],
    );
    let text = "[portal]\nissuer = \"https://u:hunter2@p.example\"\napi_base = \"https://p.example\"\n\
                client_secret = \"hunter2\"\n";
    let mistakes = said(text);
    assert_eq!(mistakes.len(), 2);
    assert!(mistakes.iter().all(|m| m.contains("secret") && !m.contains("hunter2")), "{mistakes:?}");
}

#[test]
fn plain_http_is_for_literal_loopback_only() {
    let portal = |issuer: &str| format!("[portal]\nissuer = \"{issuer}\"\napi_base = \"https://p.example\"\n");
    assert!(parse(&portal("http://127.0.0.1:8080")).is_ok());
    for issuer in ["http://p.example", "http://localhost:8080"] {
        says(
            &portal(issuer),
            &["domovoi.toml:2:10: portal.issuer: plain http would show the tokens to everybody on the \
             way; write https; http is only for a literal loopback address like http://127.0.0.1:8080"],
        );
    }
    // RFC 8414 compares issuers by character; ours must not gain a slash.
    let settings = parse(&portal("https://id.example")).unwrap();
    assert_eq!(settings.portal.unwrap().issuer, "https://id.example");
}

#[test]
fn mqtt_stays_in_the_home() {
    says(
        "[mqtt]\nlisten = [\"8.8.8.8:1883\", \"[::ffff:8.8.8.8]:1883\", \"nas:1883\"]\n",
        &[
            "domovoi.toml:2:11: mqtt.listen[0]: 8.8.8.8 is a public address, and MQTT without TLS must not be reachable \
         from there; listen on a private address of this machine, like \"192.168.1.10:1883\"",
            "domovoi.toml:2:27: mqtt.listen[1]: 8.8.8.8 is a public address, and MQTT without TLS must not be reachable \
         from there; listen on a private address of this machine, like \"192.168.1.10:1883\"",
            "domovoi.toml:2:52: mqtt.listen[2]: \"nas:1883\" is not an address with a port; \
         write for example \"127.0.0.1:1883\" or \"[::1]:1883\"",
        ],
    );
    assert!(parse("[mqtt]\nlisten = []\nlisten_tls = [\"8.8.8.8:8883\", \"[::]:0\"]\noldest_tls = \"1.2\"\n").is_ok());
    says(
        "[mqtt]\nlisten = []\nlisten_tls = []\n",
        &[
            "domovoi.toml:2:10: mqtt.listen: must not be empty while `enabled` is true; write an address, or `enabled = false`",
        ],
    );
    says(
        "[mqtt]\nlisten = [\"10.1.2.3:1883\"]\nlisten_tls = [\"10.1.2.3:1883\"]\n",
        &["domovoi.toml:3:15: mqtt.listen_tls[0]: is in the lists twice"],
    );
    says(
        "[mqtt]\nwebsocket_origins = [\"https://panel.home.arpa/\"]\n",
        &[
            "domovoi.toml:2:22: mqtt.websocket_origins[0]: \"https://panel.home.arpa/\" is not the origin of a page; write for \
         example \"https://panel.home.arpa\"",
        ],
    );
    let origins =
        parse("[mqtt]\nwebsocket_origins = [\"https://panel.home.arpa:8123\", \"http://10.0.0.2\"]\n").unwrap();
    assert_eq!(origins.mqtt.websocket_origins, ["https://panel.home.arpa:8123", "http://10.0.0.2"]);
    assert!(parse("[mqtt]\nlisten = [\"0.0.0.0:1883\", \"[fe80::1]:1883\", \"10.1.2.3:0\"]\n").is_ok());
    says(
        "[mqtt]\nprivate_peers_only = false\nlisten = [\"0.0.0.0:1883\"]\n",
        &["domovoi.toml:3:11: mqtt.listen[0]: would open the broker to everybody; leave `private_peers_only = true`"],
    );
    says(
        "[mqtt]\nmax_packet = \"8 MiB\"\n",
        &["domovoi.toml:2:14: mqtt.queue_size: a queue of 2 MiB cannot hold one packet of 8 MiB; \
         make `queue_size` at least as large as `max_packet`"],
    );
    says(
        "[external_broker]\nhost = \"localhost\"\n\n[mqtt]\n",
        &[
            "domovoi.toml:2:8: external_broker.host: this is the hub's own broker of `[mqtt]` (line 4), which it need not \
         join; write `enabled = false` in `[mqtt]`, or another host or port",
        ],
    );
}

#[test]
fn the_certificate_comes_from_one_place() {
    says(
        "[web]\nhost = \"192.168.1.10\"\nkey_file = \"k.pem\"\nlisten = []\n",
        &[
            "domovoi.toml:2:8: web.host: is an address, and passkeys want a name; put addresses into `names`",
            "domovoi.toml:3:12: web.key_file: has no effect unless `certificate` is \"files\"; \
             remove it, or write `certificate = \"files\"`",
            "domovoi.toml:4:10: web.listen: must not be empty while `enabled` is true; \
             write an address, or `enabled = false`",
        ],
    );
    says(
        "[web]\ncertificate = \"acme\"\nacme_directory = \"https://a.example/d\"\nacme_terms_accepted = false\n",
        &[
            "domovoi.toml:1:1: web.host: no public authority signs for \"domovoi.local\"; \
             write a name that you own, or `certificate = \"own-ca\"`",
            "domovoi.toml:4:23: web.acme_terms_accepted: the authority signs for nobody who does not accept its terms; \
             read them, then write `true`",
        ],
    );
    says(
        "[web]\ncertificate = \"files\"\nkey_file = \"k.pem\"\n",
        &["domovoi.toml:2:15: web.certificate_file: is missing, and `certificate` is \"files\""],
    );
    assert_eq!(said("[web]\ncertificate = \"acm\"\nkey_file = \"k.pem\"\n").len(), 1);
    let files = parse("[web]\ncertificate = \"files\"\nkey_file = \"k.pem\"\ncertificate_file = \"/c.pem\"\n").unwrap();
    let (certificate, key) = ("/c.pem".into(), Path::new(BASE).join("k.pem"));
    assert_eq!(files.web.certificate, Certificate::Files { certificate, key });
    let acme = "[web]\nhost = \"dom.example.org\"\ncertificate = \"acme\"\nacme_terms_accepted = true\n\
                acme_directory = \"https://a.example/d\"\nacme_challenge = \"tls-alpn-01\"\n";
    assert!(matches!(parse(acme).unwrap().web.certificate, Certificate::Acme(acme) if acme.contact.is_none()));
}

#[test]
fn messages_do_not_travel_in_the_open() {
    says(
        "[mail]\nhost = \"smtp.example.org\"\ntls = \"none\"\nfrom = \"Дом <home@example.org>\"\nusername = \"u\"\n",
        &[
            "domovoi.toml:3:7: mail.tls: without TLS everybody on the way reads the codes; \
             write \"implicit\" or \"starttls\"; \"none\" is for 127.0.0.1",
            "domovoi.toml:4:8: mail.from: \"Дом <home@example.org>\" is not an e-mail address; \
             write for example \"home@example.org\", without a name",
            "domovoi.toml:5:12: mail.username: a user name and a password go together; \
             write both `username` and `password_secret`, or neither",
        ],
    );
    let mail =
        parse("[mail]\nhost = \"127.0.0.1\"\ntls = \"none\"\nfrom = \"home@localhost\"\n").unwrap().mail.unwrap();
    assert_eq!((mail.port, mail.tls), (25, MailTls::None));
    says(
        "[sms]\nurl = \"http://sms.example/\"\ntemplate = \"text={text}\"\n",
        &[
            "domovoi.toml:2:7: sms.url: plain http would show the tokens to everybody on the way; \
             write https; http is only for a literal loopback address like http://127.0.0.1:8080",
            "domovoi.toml:3:12: sms.template: does not say where the message and the number go; \
             write {text}, and {to} for +79161234567 or {digits} for 79161234567",
        ],
    );
    says(
        "[sms]\nurl = \"https://sms.example/\"\ntemplate = \"{to}{text}\"\nheader = \"Host\"\nheader_value = \"{secret}\"\n",
        &[
            "domovoi.toml:1:1: sms.key_secret: is missing, and {secret} stands for it; \
             write for example `key_secret = \"sms\"`",
            "domovoi.toml:4:10: sms.header: \"Host\" is not the name of a header that can be set; \
             write for example \"Authorization\"",
        ],
    );
}

#[test]
fn keys_that_contradict_each_other() {
    says(
        "[vault]\nmaster = \"passphrase\"\nkey_file = \"k\"\n",
        &["domovoi.toml:3:12: vault.key_file: has no effect while `master` is \"passphrase\"; \
         remove it, or write `master = \"file\"`"],
    );
    says(
        "[external_broker]\nhost = \"b.lan\"\npassword_secret = \"b\"\nca_file = \"ca.pem\"\n",
        &[
            "domovoi.toml:3:19: external_broker.password_secret: a password without a `username` is not possible in MQTT \
         3.1.1; write `username` too",
            "domovoi.toml:4:11: external_broker.ca_file: has no effect without TLS; write `tls = true`",
        ],
    );
    says(
        "[dialects]\nzigbee2mqtt_bases = [\"z\", \"z/shed\", \"tele/z\"]\n",
        &[
            "domovoi.toml:2:27: dialects.zigbee2mqtt_bases[1]: \"z/shed\" and \"z\" lie in one another; \
         give each a base of its own, or nobody can say whose a topic is",
            "domovoi.toml:2:37: dialects.zigbee2mqtt_bases[2]: topics below `tele` are Tasmota's; \
         choose another base, or write `tasmota = false`",
        ],
    );
    let one_day = supplier("[[supplier.window]]\nstart = { last_day = true }\nend = { last_day = true }\n");
    says(
        &format!("{one_day}\n[submission]\njitter = \"2 d\"\n"),
        &["domovoi.toml:11:10: submission.jitter: 2 d do not fit into a window of 1 d of the supplier at line 1; \
         make it shorter than the shortest window"],
    );
}

#[test]
fn a_wrong_unit_is_told_the_right_one() {
    let window = "[[supplier.window]]\nstart = { day = 15 }\nend = { day = 25 }\n";
    let service = "[[supplier.service]]\nresource = \"cold_water\"\nunit = \"kWh\"\n";
    says(
        &supplier(&format!("{window}{service}")),
        &["domovoi.toml:11:8: supplier[0].service[0].unit: \"kWh\" is the wrong unit: cold_water is billed in m³; \
         write `unit = \"m³\"`"],
    );
    let service = "[[supplier.service]]\nresource = \"gas\"\ndecimals = 8\nmax_per_month = \"-5\"\n";
    says(
        &supplier(&format!("{window}{service}")),
        &[
            "domovoi.toml:10:12: supplier[0].service[0].resource: gas is not among the supplier's `resources`; add it there",
            "domovoi.toml:11:12: supplier[0].service[0].decimals: is 8, which is outside 0 to 7",
            "domovoi.toml:12:17: supplier[0].service[0].max_per_month: \"-5\" is not an amount above zero; \
         write digits and a point in quotes, like \"12.5\"",
        ],
    );
}

#[test]
fn windows_that_overlap_name_both_lines() {
    let window = |start: &str, end: &str| format!("[[supplier.window]]\nstart = {{ {start} }}\nend = {{ {end} }}\n");
    let two = |a: String, b: String| supplier(&format!("{a}{b}"));
    says(
        &two(window("day = 1", "day = 10"), window("day = 10", "day = 20")),
        &[
            "domovoi.toml:9:1: supplier[0].window[1]: the window at line 9 overlaps the one at line 6: both take cold_water, \
         hot_water on 2024-01-10, for example; make one of them shorter, or give them different `resources`",
        ],
    );
    let crossing = "the window at line 9 overlaps the one at line 6: both take cold_water, hot_water on 2024-02-01";
    let across = said(&two(window("day = 15", "day = 3, next_month = true"), window("day = 1", "day = 5")));
    assert!(across.len() == 1 && across[0].contains(crossing), "{across:?}");
    says(
        &supplier(&window("day = 15", "day = 15, next_month = true")),
        &[
            "domovoi.toml:8:7: supplier[0].window[0].end: the window overlaps itself: its end at line 8 comes when its next \
         month has begun at line 7; end it before the day on which it starts",
        ],
    );
    says(
        &supplier(&window("day = 20", "day = 10")),
        &[
            "domovoi.toml:8:7: supplier[0].window[0].end: the end at line 8 comes before the start at line 7 in a month of \
         28 days; if it lies in the month after, write `next_month = true` there",
        ],
    );
    says(
        &supplier(&window("day = 1, next_month = true", "day = 10, last_day = true")),
        &[
            "domovoi.toml:7:33: supplier[0].window[0].start.next_month: a window starts in the month that its readings are \
         of; remove it here; it belongs to `end`",
            "domovoi.toml:8:30: supplier[0].window[0].end.last_day: stands beside `day`; remove one of them",
        ],
    );
    let own = |resource: &str, end: u8| {
        format!("[[supplier.window]]\nresources = [\"{resource}\"]\nstart = {{ day = 1 }}\nend = {{ day = {end} }}\n")
    };
    assert!(parse(&two(own("cold_water", 20), own("hot_water", 25))).is_ok());
    says(
        &supplier(&own("cold_water", 20)),
        &["domovoi.toml:1:1: supplier[0]: no window takes the readings of hot_water; \
         add a `[[supplier.window]]` for it, or remove it from `resources`"],
    );
}

#[test]
fn suppliers_have_ids_of_their_own() {
    let one = supplier("[[supplier.window]]\nstart = { day = 15 }\nend = { day = 25 }\n");
    says(
        &format!("{one}{one}"),
        &["domovoi.toml:10:6: supplier[1].id: \"s\" at line 10 is already the id of the supplier at line 1; \
         give each supplier an id of its own"],
    );
    let missing = said("[[supplier]]\nid = \"Мос\"\n");
    assert_eq!(missing.len(), 4, "{missing:#?}");
}

#[test]
fn all_mistakes_are_told_at_once_even_beside_broken_toml() {
    says(
        "[home]\nnmae = \"x\"\n[store]\ncommit_every = \"9 s\"\n[log]\nformat = \"xml\"\n",
        &[
            "domovoi.toml:2:1: home.nmae: unknown key; did you mean `name`?",
            "domovoi.toml:4:16: store.commit_every: is 9 s, which is outside 0 ms to 2 s",
            "domovoi.toml:6:10: log.format: \"xml\" is none of \"text\", \"json\"",
        ],
    );
    says(
        "[home]\ntime_zone = \"MSK\"\n",
        &["domovoi.toml:2:13: home.time_zone: \"MSK\" is no time zone of the IANA \
         database; write for example \"Europe/Moscow\""],
    );
    says("[mqtt\nenabled = true\n", &["domovoi.toml:1:6: this is not valid TOML: unclosed table, expected `]`"]);
    let mistakes = said("[home]\nname = \"a\nlanguage = \"xx\"\n[home]\n[mqtt]\nenabled = 1\n");
    assert!(mistakes.iter().any(|m| m.starts_with("domovoi.toml:2:") && m.contains("not valid TOML")), "{mistakes:#?}");
    assert!(mistakes.iter().any(|m| m.starts_with("domovoi.toml:3:12: home.language")), "{mistakes:#?}");
    assert!(mistakes.iter().any(|m| m.starts_with("domovoi.toml:4:2: ") && m.contains("duplicate")), "{mistakes:#?}");
    assert!(mistakes.iter().any(|m| m.starts_with("domovoi.toml:6:11: mqtt.enabled")), "{mistakes:#?}");
}

#[test]
fn every_table_is_looked_through_for_unknown_keys() {
    let whole = whole_reference();
    let lines: Vec<&str> = whole.lines().collect();
    let headers: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].starts_with('[')).collect();
    assert!(headers.len() >= 12);
    for header in headers {
        let mut changed = lines.clone();
        changed.insert(header + 1, "zzz = 1");
        let mistakes = parse(&changed.join("\n")).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
        assert!(mistakes[0].key.ends_with(".zzz") && mistakes[0].line == header + 2, "{mistakes:#?}");
    }
    let mistakes = said(&whole.replace("{ day = 15 }", "{ day = 15, zzz = 1 }"));
    assert!(
        mistakes.len() == 1 && mistakes[0].contains("supplier[0].window[0].start.zzz: unknown key"),
        "{mistakes:?}"
    );
}

#[test]
fn a_value_that_is_not_understood_raises_no_second_mistake() {
    for text in [
        "[vault]\nmaster = \"pasphrase\"\ncredential = \"p\"\n",
        "[external_broker]\nhost = \"b.lan\"\ntls = \"yes\"\nca_file = \"ca.pem\"\n",
        "[mqtt]\nmax_packet = \"8\"\nqueue_size = \"1 MiB\"\n",
    ] {
        assert_eq!(said(text).len(), 1, "{:#?}", said(text));
    }
}

#[test]
fn a_hostile_file_is_read_to_its_end() {
    for pattern in
        ["[", "a.", "=\n", "a=[", "[[a]]\n", "{", "\"", "a=1\n", "[a.a.a]\n", "\n", "#", "'''", "a={b=1},", "\u{1}"]
    {
        let text: String = pattern.chars().cycle().take((1 << 18) / pattern.len()).collect();
        assert!(said(&text).len() <= 51, "{pattern}");
    }
    let keys: Vec<String> = (0..30_000).map(|n| format!("k{n}=")).collect();
    assert!(!said(&format!("a={{{}}}", keys.join(","))).is_empty());
}

#[test]
fn thousands_of_mistakes_are_counted() {
    let text: String = (0..5000).map(|n| format!("k{n} = 1\n")).collect();
    let mistakes = parse(&text).unwrap_err();
    assert_eq!(mistakes.len(), 51);
    assert_eq!(mistakes[50].to_string(), "domovoi.toml: 4950 more mistakes are not shown; mend these first");
}

#[test]
fn files_that_are_no_settings_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("domovoi.toml");
    let load = || Settings::load(&path).map_err(|m| m.iter().map(Mistake::to_string).collect::<Vec<_>>());
    let one = |end: &str| Err(vec![format!("{}: {end}", path.display())]);
    assert_eq!(load(), one("there is no such file; name another with `--config`, or start from `config/domovoi.toml`"));
    std::fs::write(&path, b"[home]\nname = \"\xff\"\n").unwrap();
    assert_eq!(load(), one("is not UTF-8 text (line 2); save it in the encoding UTF-8"));
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(load(), one("is larger than 1 MiB; is it the right file?"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(load(), one("cannot be read: it is not an ordinary file; look at its owner and mode"));
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    assert_eq!(load(), Ok(Settings::defaults(folder.path())));
}

/// The reference file with its optional lines taken in, the alternatives (`#~`) left out.
fn whole_reference() -> String {
    let lines = REFERENCE.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_file_states_the_defaults() {
    assert_eq!(parse(REFERENCE), Ok(Settings::defaults(Path::new(BASE))));
    let whole = parse(&whole_reference()).unwrap();
    let least = "[portal]\nissuer = \"https://id.portal.example\"\napi_base = \"https://portal.example/api/v1\"\n\
                 [external_broker]\nhost = \"192.168.1.10\"\n";
    let least = parse(least).unwrap();
    assert_eq!(whole.portal.map(|portal| Portal { ca_file: None, resource: None, ..portal }), least.portal);
    assert_eq!(
        whole.external_broker.map(|broker| ExternalBroker {
            username: None,
            password_secret: None,
            tls: false,
            ca_file: None,
            ..broker
        }),
        least.external_broker
    );
    let supplier = &whole.suppliers[0];
    assert_eq!((supplier.takes_t4, supplier.late, &supplier.time_zone), (false, Late::Hold, &whole.home.time_zone));
}

/// Every key that a reader asked for, as `supplier[].window[].start.day`, without the tables themselves.
fn known_keys() -> BTreeSet<String> {
    let (_, mistakes, known) = inspect(&whole_reference(), "domovoi.toml", Path::new(BASE));
    assert_eq!(mistakes, Vec::new());
    let is_table = |key: &String| {
        let inside = |other: &String| other.starts_with(&format!("{key}.")) || other.starts_with(&format!("{key}[]."));
        known.iter().any(inside)
    };
    // Of these there is one for each dialect: the table is explained as a whole, so that a dialect that is added changes no page.
    let is_base = |key: &String| key.starts_with("dialects.bases.");
    known.iter().filter(|key| !is_table(key) && !is_base(key)).cloned().collect()
}

#[test]
fn the_reference_file_and_the_page_have_every_key() {
    let page = include_str!("../../docs/reference/settings.md");
    let keys = known_keys();
    assert!(keys.len() > 60 && keys.contains("supplier[].window[].start.day"), "{keys:?}");
    for key in keys {
        let (section, name) = key.rsplit_once('.').unwrap();
        let (header, name) = match section.strip_suffix(".start").or(section.strip_suffix(".end")) {
            Some(window) => (window, section.rsplit('.').next().unwrap()),
            None => (section, name),
        };
        let header = match header.strip_suffix("[]") {
            Some(list) => format!("[[{}]]", list.replace("[]", "")),
            None => format!("[{header}]"),
        };
        let mut under = "";
        let there = REFERENCE.lines().any(|line| {
            let line = line.trim_start_matches('#').trim_start_matches('~');
            if line.starts_with('[') {
                under = line;
            }
            under == header && line.starts_with(&format!("{name} ="))
        });
        let inner = key.rsplit('.').next().unwrap();
        assert!(REFERENCE.contains(&format!("{inner} =")), "domovoi.toml never shows {inner}");
        assert!(there, "domovoi.toml says nothing of {key}");
        assert!(page.contains(&format!("| `{key}` |")), "settings.md has no row for {key}");
    }
}

#[test]
fn the_page_has_no_key_that_nobody_reads() {
    let page = include_str!("../../docs/reference/settings.md");
    let keys = known_keys();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let key = row.split('`').next().unwrap_or_default();
        assert!(keys.contains(key), "settings.md has a row for {key}, which no reader asks for");
    }
}

#[test]
fn the_examples_are_right() {
    let flat = parse(include_str!("../examples/moscow-flat.toml")).unwrap();
    let water = &flat.suppliers[0];
    let december = "2026-12".parse().unwrap();
    let window = water.windows_for(Resource::HotWater).next().unwrap();
    assert_eq!(window.dates(december), ("2026-12-15".parse().unwrap(), "2027-01-03".parse().unwrap()));
    assert_eq!(water.service(Resource::ColdWater).unwrap().max_per_month.unwrap().to_string(), "21");
    assert_eq!(flat.suppliers[1].service(Resource::Electricity).unwrap().decimals, 0);
    assert_eq!(flat.suppliers[2].service(Resource::Heat).unwrap().unit().symbol(), "Gcal");

    let joined = parse(include_str!("../examples/existing-broker.toml")).unwrap();
    let broker = joined.external_broker.unwrap();
    assert!(!joined.mqtt.enabled && broker.tls);
    assert_eq!(broker.ca_file.as_deref(), Some(Path::new("/etc/domovoi/broker-ca.pem")));
    assert_eq!(joined.suppliers[0].time_zone.iana_name(), Some("Asia/Yekaterinburg"));
}

#[test]
fn the_rooms_get_what_the_file_says() {
    let settings = parse(
        "[mqtt]\nmax_connections = 2000\nmax_packet = \"1 MiB\"\n[vault]\nmaster = \"passphrase\"\n\
                          credential = \"p\"\n[store]\ndata_dir = \"/data\"\n",
    )
    .unwrap();
    let broker = settings.mqtt.to_broker();
    assert_eq!((broker.max_packet_bytes, broker.max_connections), (1 << 20, 2000));
    assert!(broker.max_sessions >= broker.max_connections);
    assert_eq!(broker.max_session_expiry, Duration::from_secs(7 * 86_400));
    assert_eq!((broker.max_keep_alive_secs, broker.response_information), (None, None));
    assert_eq!(broker.sys_interval, domovoi_broker::Settings::default().sys_interval);
    let said =
        parse("[mqtt]\nmax_keep_alive = \"1 min\"\nsys_interval = \"0 s\"\nresponse_information = \"answers/\"\n")
            .unwrap()
            .mqtt
            .to_broker();
    assert_eq!((said.max_keep_alive_secs, said.sys_interval), (Some(60), Duration::ZERO));
    assert_eq!(said.response_information.as_deref(), Some("answers/"));
    let wrong = parse("[mqtt]\nresponse_information = \"answers/#\"\n").unwrap_err();
    assert!(wrong[0].to_string().contains("cannot begin a topic name"), "{wrong:?}");
    let from = domovoi_vault::PassphraseSource::SystemdCredential("p".to_owned());
    assert_eq!(settings.vault.to_vault().master, domovoi_vault::MasterSource::Passphrase(from));
    assert_eq!(settings.store.to_store(), domovoi_store::Settings::new("/data"));
    let defaults = Settings::defaults(Path::new(BASE));
    assert_eq!(defaults.mqtt.to_broker().max_packet_bytes, domovoi_broker::Settings::default().max_packet_bytes);
    let key = Path::new("/etc/domovoi/domovoi-data/master.key").to_owned();
    assert_eq!(defaults.vault.to_vault().master, domovoi_vault::MasterSource::File(key));
    let names: Vec<_> = defaults.dialects.bases().into_iter().map(|(name, _)| name).collect();
    let mut directory = domovoi_adapters::Directory::default();
    for (name, bases) in defaults.dialects.bases() {
        assert_eq!(directory.bases(name), bases, "{name}");
        assert_eq!(directory.set_bases(name, &bases), Ok(()));
    }
    // Every dialect is spoken unless the owner says otherwise, also one that was added yesterday.
    assert!(domovoi_adapters::mqtt::DIALECTS.iter().all(|dialect| names.contains(&dialect.name)), "{names:?}");
    let text = "[dialects.bases]\nwirenboard = [\"/devices\", \"shed/devices\"]\nhomie = []\n";
    let bases = parse(text).unwrap().dialects.bases();
    assert!(bases.contains(&("wirenboard", vec!["/devices".to_owned(), "shed/devices".to_owned()])));
    assert!(bases.iter().all(|(name, _)| *name != "homie"));
    let wrong =
        parse("[dialects]\nzigbee2mqtt_bases = [\"z\"]\n[dialects.bases]\nwirenboards = []\nwirenboard = [\"z/x\"]\n")
            .unwrap_err();
    assert!(wrong.iter().any(|wrong| wrong.to_string().contains("did you mean `wirenboard`?")), "{wrong:?}");
    assert!(wrong.iter().any(|wrong| wrong.to_string().contains("lie in one another")), "{wrong:?}");
}

/// The messages of a Fluent file and the variables in each: `key = text { $variable }`, indented lines belong to it.
fn messages(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut messages: Vec<(String, BTreeSet<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if !line.starts_with([' ', '}']) {
            let (key, text) = line.split_once(" =").unwrap_or_else(|| panic!("not a message: {line}"));
            assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{key}");
            assert!(!messages.iter().any(|(other, _)| other == key), "{key} is there twice");
            messages.push((key.to_owned(), BTreeSet::new()));
            let _ = text;
        }
        let variables = line.split('$').skip(1).map(|rest| {
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').collect::<String>()
        });
        messages.last_mut().unwrap().1.extend(variables);
    }
    messages.sort();
    messages
}

#[test]
fn without_a_file_the_key_lies_once_in_the_data_folder() {
    let settings = Settings::defaults(Path::new("."));
    let data = settings.store.to_store().data_dir;
    assert!(data.is_absolute(), "{data:?}");
    assert_eq!(settings.vault.to_vault().master_path(&data), data.join("master.key"));
}

#[test]
fn both_languages_say_the_same_things() {
    let all = |language: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("locales").join(language);
        let files = std::fs::read_dir(folder).unwrap();
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        // All files of a language are one bundle: a key stands in one of them only.
        let text: String = paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        (names, messages(&text))
    };
    let (files, russian) = all("ru");
    assert_eq!((files, russian.clone()), all("en"));
    for code in [
        "glitch_to_zero",
        "rollover",
        "decreased",
        "implausible_jump",
        "gap",
        "negative",
        "too_many_digits",
        "device_complaint",
        "swap_suspected",
        "wrong_unit",
        "confirmed_by_person",
        "swapped",
    ] {
        let key = format!("finding-{}", code.replace('_', "-"));
        assert!(russian.iter().any(|(other, _)| *other == key), "{key}");
    }
    // As the rules of cameras name them.
    for key in [
        "camera-holds-unknown",
        "camera-holds-days",
        "camera-holds-quota",
        "camera-holds-quota-hours",
        "camera-holds-disk",
        "camera-holds-disk-hours",
        "camera-plan-too-many",
        "camera-plan-empty",
        "camera-plan-needless",
        "camera-plan-no-day",
        "camera-plan-no-time",
        "notice-camera-keeps-less-quota",
        "notice-camera-keeps-less-disk",
        "notice-camera-paused-quota",
        "notice-camera-paused-disk",
    ] {
        assert!(russian.iter().any(|(other, _)| *other == key), "{key}");
    }
}

proptest! {
    #[test]
    fn any_text_is_no_panic(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn any_toml_like_text_is_no_panic(parts in proptest::collection::vec(part(), 0..40)) {
        let _ = parse(&parts.concat());
    }

    #[test]
    fn a_damaged_reference_is_no_panic(at in 0..REFERENCE.len(), len in 0usize..60, with in "[\\[\\]{}=\"'#,.a0\n ]{0,6}") {
        let mut whole: Vec<char> = whole_reference().chars().collect();
        let at = at.min(whole.len());
        let end = (at + len).min(whole.len());
        whole.splice(at..end, with.chars());
        let text: String = whole.into_iter().collect();
        if let Err(mistakes) = parse(&text) {
            prop_assert!(!mistakes.is_empty() && mistakes.iter().all(|m| !m.message.is_empty()));
        }
    }
}

fn part() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "[[supplier]]\n",
        "[[supplier.window]]\n",
        "[supplier]\n",
        "[mqtt]\n",
        "[portal]\n",
        "[home]\n",
        "start",
        "end",
        "listen",
        "id",
        "name",
        "resources",
        " = ",
        ".",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "\"",
        "'''",
        "#",
        "day = 31",
        "last_day = true",
        "\"cold_water\"",
        "99999999999999999999",
        "-1",
        "1e400",
        "inf",
        "0x",
        "1979-05-27",
        "true",
        "🏠",
    ]);
    prop_oneof![8 => word.prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}
