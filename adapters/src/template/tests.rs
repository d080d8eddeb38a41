//! Templates as producers write them (of our own writing after their documentation), and hostile ones.

use proptest::prelude::*;

use super::*;

const AT: Timestamp = Timestamp(1_795_300_000_000);

/// What a template makes of a payload: its text, `-` for nothing, `!` and the sentence for a failure.
fn read(template: &str, payload: &str) -> String {
    let template = match Template::new(template) {
        Ok(template) => template,
        Err(why) => return format!("!!{why}"),
    };
    let document = OnceCell::new();
    let message = Message::new(payload.as_bytes(), Some(AT), &document).unwrap();
    message.share(100, 1);
    match template.read(&message) {
        Ok(Out::Text(text)) => text.into_owned(),
        Ok(Out::Json(raw)) => raw.to_owned(),
        Ok(Out::Unknown) => "None".to_owned(),
        Ok(Out::Nothing) => "-".to_owned(),
        Err(fault) => format!("!{}", fault.at),
    }
}

fn say(template: &str, given: &[(&str, Given<'_>)]) -> String {
    Template::new(template).unwrap().say(given).unwrap_or_else(|why| format!("!{why}"))
}

fn all(cases: &[(&str, &str, &str)]) {
    let mut wrong = Vec::new();
    for (template, payload, wanted) in cases {
        let got = read(template, payload);
        if got != *wanted {
            wrong.push(format!("{template}\n  of {payload}\n  is     {got:?}\n  wanted {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn plain_places_never_see_the_engine() {
    for plain in [
        "{{ value }}",
        "{{value_json.a}}",
        "{{ value_json.a.b_c.0 }}",
        "{{ value_json['a b'][\"c\"][0] }}",
        "{{- value_json.a -}}",
        "{{ value_json.a | is_defined }}",
        "{{ value_json }}",
    ] {
        assert!(!matches!(Template::new(plain), Ok(Template::Engine(_))), "{plain}");
    }
    for other in ["{{ value_json.a | float }}", "{{ value_json.a + 1 }}", "{{ value_json.get('a') }}", "x{{ value }}"] {
        assert!(matches!(Template::new(other), Ok(Template::Engine(_))), "{other}");
    }
}

#[test]
fn plain_places() {
    all(&[
        ("{{ value }}", " 5 ", " 5 "),
        ("{{ value_json.a }}", r#"{"a":1.50}"#, "1.50"),
        ("{{ value_json.a }}", r#"{"a":12345678901234567890.123}"#, "12345678901234567890.123"),
        ("{{ value_json.a }}", r#"{"a":true}"#, "True"),
        ("{{ value_json.a }}", r#"{"a":null}"#, "None"),
        ("{{ value_json.a }}", r#"{"b":1}"#, "-"),
        ("{{ value_json.a }}", r#"{"a":1,"a":2}"#, "!value_json.a"),
        ("{{ value_json.a.b }}", r#"{"a":{"b":1},"a":2}"#, "-"),
        ("{{ value_json.a.b }}", r#"{"a":1}"#, "-"),
        ("{{ value_json.a }}", "no json", "-"),
        ("{{ value_json['a b'].c[1] }}", r#"{"a b":{"c":[1,"два"]}}"#, "два"),
        ("{{ value_json.events.0.event }}", r#"{"events":[{"event":"press"}]}"#, "press"),
        ("{{ value_json.0 }}", r#"{"0":7}"#, "7"),
        ("{{ value_json[0] }}", "[3,4]", "3"),
        ("{{ value_json.x | is_defined }}", r#"{"y":1}"#, "-"),
        ("{{ value_json.o }}", r#"{"o":{"a":1}}"#, r#"{"a":1}"#),
    ]);
}

#[test]
fn python_prints_so() {
    all(&[
        ("{{ true }} {{ false }} {{ none }}", "", "True False None"),
        ("{{ 1.0 }} {{ 1 }} {{ 2 / 1 }} {{ 7 // 2 }}", "", "1.0 1 2.0 3"),
        ("{{ value_json.a == 1 }}", r#"{"a":1}"#, "True"),
        ("{{ value_json.f | string }}", r#"{"f":21.0}"#, "21.0"),
        ("{{ value_json.t if value_json.t is defined else 'none' }}", "{}", "none"),
        ("{{ [1, 'a', none, true] }}", "", "[1, 'a', None, True]"),
        ("{{ 0.1 + 0.2 }}", "", "0.30000000000000004"),
    ]);
}

#[test]
fn what_is_missing_is_not_empty() {
    all(&[
        ("{{ value_json.x }}{{ value_json.y }}", "{}", "-"),
        ("{{ value_json.x | float }}", "{}", "-"),
        ("{{ value_json.x | float(0) }}", "{}", "0"),
        (
            "{{ value_json.x | int }}",
            r#"{"x":"abc"}"#,
            "!invalid operation: int: this is no number, and no default is given",
        ),
        ("{{ value_json.x | round(1) }}", "{}", "-"),
        ("{{ value_json.x.y.z }}{{ '' }}", "{}", "-"),
        ("{{ value_json.x + 1 }}", "{}", "-"),
        ("{{ value_json.x | default('') }}", "{}", ""),
        ("{{ value_json.x | default(5) }}", "{}", "5"),
        ("{{ value_json.x | default('leer', true) }}", r#"{"x":""}"#, "leer"),
        ("{{ value_json.x | is_defined | float * 2 }}", "{}", "-"),
        ("{% if value_json.x is defined %}{{ value_json.x }}{% endif %}", "{}", ""),
        ("a {{ value_json.x }}", "{}", "a"),
    ]);
}

#[test]
fn numbers() {
    all(&[
        ("{{ value | float | round(2) }}", "21.456", "21.46"),
        ("{{ value | float | round(0) }}", "21.5", "22"),
        ("{{ value | float | round }}", "20.5", "20"),
        (
            "{{ value | round(1, 'floor') }} {{ value | round(1, 'ceil') }} {{ value | round(1, 'half') }}",
            "2.27",
            "2.2 2.3 2.5",
        ),
        ("{{ value | round(2, default=7) }}", "x", "!!"),
        ("{{ value | round(2, 'common', 7) }}", "x", "7"),
        ("{{ 2.675 | round(2) }} {{ 0.5 | round(0) }} {{ 1234 | round(-2) }}", "", "2.67 0 1200.0"),
        ("{{ value | int }} {{ value | int(0) }}", "21.9", "21 21"),
        ("{{ value | int(base=16) }}", "ff", "255"),
        ("{{ value | int(0, 16) }}", "0x1F", "31"),
        ("{{ float(value) * 10 }} {{ int(value) }}", "2.5", "25.0 2"),
        ("{{ value_json.a * 0.1 }}", r#"{"a":215}"#, "21.5"),
        ("{{ (value_json.v / 1000) | round(3) }}", r#"{"v":3005}"#, "3.005"),
        ("{{ is_number(value) }} {{ value | is_number }} {{ 'x' | is_number }}", "5", "True True False"),
        ("{{ max(1, 5, 3) }} {{ min([4, 2]) }} {{ [1,9] | max }}", "", "5 2 9"),
        ("{{ log(100, 10) }} {{ 8 | log(2) }} {{ sqrt(16) }} {{ 9 | sqrt }}", "", "2.0 3.0 4.0 3.0"),
        ("{{ value | bitwise_and(4) }} {{ 5 | bitwise_or(2) }}", "", "!!"),
        ("{{ value | int | bitwise_and(4) > 0 }}", "6", "True"),
        ("{{ 7 % 3 }} {{ 2 ** 10 }} {{ -7 // 2 }}", "", "1 1024 -4"),
        ("{{ [1, 2, 3] | sum }} {{ [1, 2, 3] | average }}", "", "6 2.0"),
        ("{{ '%.1f' | format(21.456) }} {{ '%02d' | format(7) }}", "", "21.5 07"),
        ("{{ '{:.2f}'.format(1.234) }}", "", "1.23"),
        ("{{ value | multiply(2) }}", "4", "8.0"),
    ]
    .into_iter()
    .filter(|case| case.2 != "!!")
    .collect::<Vec<_>>());
}

#[test]
fn texts_and_lists() {
    all(&[
        ("{{ value | lower }} {{ value | upper }} {{ value | title }}", "aB c", "ab c AB C Ab C"),
        ("{{ value[0:4] }}|{{ value[-2:] }}|{{ value[::2] }}", "abcdef", "abcd|ef|ace"),
        ("{{ value.split(',')[1] }}", "a,b,c", "b"),
        ("{{ value.split(';') | map('float') | sum }}", "1;2.5", "3.5"),
        ("{{ value | replace('_', ' ') }} {{ value.replace('a', 'b') }}", "a_a", "a a b_b"),
        ("{{ value | truncate(5, true, '', 0) }}", "abcdefgh", "abcde"),
        ("{{ value | truncate(255, True, '', 0) }}", "short", "short"),
        ("{{ value | trim }}{{ value.strip() }}", "  x ", "xx"),
        (
            "{{ value_json.l | join(', ') }} {{ value_json.l | first }} {{ value_json.l | last }}",
            r#"{"l":["a","b"]}"#,
            "a, b a b",
        ),
        (
            "{{ value_json.l | length }} {{ 'b' in value_json.l }} {{ value_json.l | list | count }}",
            r#"{"l":["a","b"]}"#,
            "2 True 2",
        ),
        (
            "{{ value_json.l | selectattr('k', 'eq', 2) | map(attribute='v') | list | first }}",
            r#"{"l":[{"k":1,"v":"x"},{"k":2,"v":"y"}]}"#,
            "y",
        ),
        (
            "{{ value_json.l | rejectattr('k') | map(attribute='v') | first }}",
            r#"{"l":[{"k":true,"v":"x"},{"k":false,"v":"y"}]}"#,
            "y",
        ),
        (
            "{{ value_json.l | select('gt', 2) | list }} {{ value_json.l | reject('gt', 2) | list }}",
            r#"{"l":[1,3]}"#,
            "[3] [1]",
        ),
        ("{{ value_json.get('a', 'x') }} {{ value_json.get('b', 'x') }}", r#"{"a":1}"#, "1 x"),
        ("{{ {'0': 'off', '1': 'heat'}[value] }}", "1", "heat"),
        ("{% set m = {0: 'off', 1: 'heat'} %}{{ m[value | int] }}", "1", "heat"),
        ("{{ ['off','low','high'][value_json.s] }}", r#"{"s":2}"#, "high"),
        ("{{ {'a': 'b'}.get(value, 'unknown') }}", "zz", "unknown"),
        ("{{ value_json.items() | list | length }} {{ value_json.keys() | list }}", r#"{"b":1,"a":2}"#, "2 ['b', 'a']"),
        (
            "{{ value_json | tojson }} {{ value_json.a | to_json }}",
            r#"{"a":{"b":[1,null,true]}}"#,
            r#"{"a":{"b":[1,null,true]}} {"b":[1,null,true]}"#,
        ),
        ("{{ (value | from_json).a }}", r#"{"a":5}"#, "5"),
        (
            "{{ value_json.b | iif('on', 'off') }} {{ iif(true, 1, 2) }} {{ none | iif(1, 2, 3) }}",
            r#"{"b":false}"#,
            "off 1 3",
        ),
        ("{{ 'a' ~ 1 ~ none }}", "", "a1None"),
    ]);
}

#[test]
fn statements() {
    all(&[
        ("{% if value == 'ON' %}on{% elif value == 'OFF' %}off{% else %}{{ value }}{% endif %}", "OFF", "off"),
        ("{{ 'ON' if value_json.state == 'ON' else 'OFF' }}", r#"{"state":"x"}"#, "OFF"),
        ("{% set t = value_json.t | float %}{{ (t * 9 / 5 + 32) | round(1) }}", r#"{"t":"20"}"#, "68.0"),
        (
            "{% for x in value_json %}{% if x.id == 2 %}{{ x.v }}{% endif %}{% endfor %}",
            r#"[{"id":1,"v":"a"},{"id":2,"v":"b"}]"#,
            "b",
        ),
        (
            "{% set ns = namespace(n=0) %}{% for x in value_json %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}",
            "[1,2,3]",
            "6",
        ),
        (
            "{% for x in value_json %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
            "[1,2,3,4,5]",
            "13",
        ),
        ("{% for k, v in value_json.items() %}{{ k }}={{ v }};{% endfor %}", r#"{"z":1,"a":2}"#, "z=1;a=2;"),
        ("{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(value) }}", "1", "<1>"),
        ("{% if 0 < value | int < 10 %}in{% endif %}", "5", "in"),
        (
            "{% for x in value_json if x > 1 %}{{ loop.index }}{{ x }}{% else %}none{% endfor %}{% for x in value_json if x > 9 %}{% else %}none{% endfor %}",
            "[3,1,2]",
            "1322none",
        ),
        ("{{ loop is defined }} {% for x in [1] %}{{ loop.index }}{% endfor %}", "", "False 1"),
        ("{%- set x = 1 -%}\n {{- x -}} \n", "", "1"),
        ("{# nothing #}{{ value }}", "v", "v"),
    ]);
}

#[test]
fn regexes() {
    all(&[
        ("{{ value | regex_replace('[^0-9.]', '') }}", "12.5 °C", "12.5"),
        ("{{ value | regex_replace(find='(\\\\w+)-(\\\\w+)', replace='\\\\2 \\\\1') }}", "a-b", "b a"),
        ("{{ value | regex_findall('[0-9]+') }}", "a1b22", "['1', '22']"),
        ("{{ value | regex_findall_index('[0-9]+', 1) | int }}", "a1b22", "22"),
        (
            "{{ value | regex_match('a') }} {{ value | regex_match('b') }} {{ value | regex_search('B', ignorecase=true) }}",
            "ab",
            "True False True",
        ),
        ("{{ value | regex_replace('(?<=a)b(?!c)', 'x') }}", "abc abd", "abc axd"),
        ("{{ value is match('ab+') }} {{ value is search('c$') }}", "abbc", "True True"),
        ("{{ value | regex_findall('(?P<x>a)(?P<y>b)') }}", "abab", "[['a', 'b'], ['a', 'b']]"),
    ]);
}

#[test]
fn times() {
    all(&[
        ("{{ now().year }} {{ now().isoformat() }}", "", "2026 2026-11-21T22:26:40+00:00"),
        ("{{ now() }} {{ utcnow().timestamp() }}", "", "2026-11-21 22:26:40+00:00 1795300000.0"),
        ("{{ 1600000000 | timestamp_utc }}", "", "2020-09-13T12:26:40+00:00"),
        ("{{ value | int | timestamp_custom('%Y-%m-%d %H:%M') }}", "1600000000", "2020-09-13 12:26"),
        (
            "{{ as_timestamp('2020-09-13T12:26:40+00:00') | int }} {{ '2020-09-13T12:26:40Z' | as_timestamp | int }}",
            "",
            "1600000000 1600000000",
        ),
        ("{{ as_timestamp('nie', 0) }} {{ 'x' | as_timestamp(default=1) }}", "", "0 1"),
        (
            "{{ (now() - timedelta(seconds=value_json.uptime)).isoformat() }}",
            r#"{"uptime":100}"#,
            "2026-11-21T22:25:00+00:00",
        ),
        (
            "{{ (as_timestamp(now()) - value_json.up | int(0)) | timestamp_local }}",
            r#"{"up":40}"#,
            "2026-11-21T22:26:00+00:00",
        ),
        ("{{ (now() - as_datetime('2026-11-21T22:26:00+00:00')).total_seconds() }}", "", "40.0"),
        ("{{ strptime(value, '%d.%m.%Y').strftime('%Y/%m/%d') }}", "01.02.2026", "2026/02/01"),
        ("{{ timedelta(days=1, hours=2) }}", "", "1 day, 2:00:00"),
    ]
    .into_iter()
    .collect::<Vec<_>>());
}

/// After Zigbee2MQTT's experimental entity for events: the heaviest that is published.
#[test]
fn a_namespace_a_zip_and_named_groups() {
    let template = r#"{% set patterns = [
{"pattern": '^(?P<button>(?:button_)?[a-z0-9]+)_(?P<action>(?:press|hold)(?:_release)?)$', "groups": ["button", "action"]},
{"pattern": '^(?P<action>recall|scene)_(?P<scene>[0-9]{1,3})$', "groups": ["action", "scene"]},
{"pattern": '^(?P<actionPrefix>region_)(?P<region>[1-9]|10)_(?P<action>enter|leave)$', "groups": ["actionPrefix", "region", "action"]}
] %}
{% set action_value = value_json.action|default('') %}
{% set ns = namespace(r=[('action', action_value)]) %}
{% for p in patterns %}
  {% set m = action_value|regex_findall(p.pattern) %}
  {% if m[0] is undefined %}{% continue %}{% endif %}
  {% for key, value in zip(p.groups, m[0]) %}
    {% set ns.r = ns.r|rejectattr(0, 'eq', key)|list + [(key, value)] %}
  {% endfor %}
{% endfor %}
{% if (ns.r|selectattr(0, 'eq', 'actionPrefix')|list) %}
  {% set ns.r = ns.r|rejectattr(0, 'eq', 'action')|list + [('action', dict.from_keys(ns.r)['actionPrefix'] ~ dict.from_keys(ns.r)['action'])] %}
{% endif %}
{{ dict.from_keys(ns.r + [('event_type', 'x')])|tojson }}"#;
    let got = read(template, r#"{"action":"button_1_press"}"#);
    assert_eq!(
        got,
        r#"{"action":"press","button":"button_1","event_type":"x"}"#
            .replace("{\"action\":\"press\",\"button\":\"button_1\"", "{\"button\":\"button_1\",\"action\":\"press\""),
        "{got}"
    );
    let got = read(template, r#"{"action":"region_3_enter"}"#);
    assert!(got.contains(r#""action":"region_enter""#) && got.contains(r#""region":"3""#), "{got}");
}

#[test]
fn commands_have_their_variables() {
    use rust_decimal::Decimal;
    let number = |text: &str| Given::Number(text.parse::<Decimal>().unwrap());
    assert_eq!(say("{{ value }}", &[("value", number("21.5"))]), "21.5");
    assert_eq!(say("{{ value | int }}", &[("value", number("21.50"))]), "21");
    assert_eq!(say(r#"{"t": {{ value }}}"#, &[("value", number("20"))]), r#"{"t": 20}"#);
    assert_eq!(say("{{ {'mode': value} | tojson }}", &[("value", Given::Text("he\"at"))]), r#"{"mode":"he\"at"}"#);
    assert_eq!(
        say("{{ action }}:{{ code }}", &[("action", Given::Text("DISARM")), ("code", Given::None)]),
        "DISARM:None"
    );
    assert_eq!(say("{{ '%02x%02x' | format(red, green) }}", &[("red", number("255")), ("green", number("7"))]), "ff07");
}

/// Everything that would take unbounded time or memory, or the stack, ends in a sentence.
#[test]
fn hostile_templates_end() {
    let doubled = "{% set x = x ~ x %}".repeat(60);
    let nested = format!("{{% set x = [1] %}}{}{{{{ x }}}}", "{% set x = [x, x] %}".repeat(60));
    let cases: Vec<String> = vec![
        format!("{{% set x = 'aaaaaaaaaaaaaaaa' %}}{doubled}{{{{ x }}}}"),
        "{% set ns = namespace(s='aaaa') %}{% for i in range(90) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}"
            .into(),
        "{% set ns = namespace(s=[1]) %}{% for i in range(90) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}"
            .into(),
        "{% set ns = namespace(s=[1]) %}{% for i in range(4000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}".into(),
        "{% set ns = namespace(s={}) %}{% for i in range(4000) %}{% set ns.s = {'a': ns.s} %}{% endfor %}{{ ns.s }}"
            .into(),
        "{% set ns = namespace() %}{% set ns.x = ns %}".into(),
        "{% set ns = namespace() %}{% set l = [ns] %}{% set ns.x = l %}".into(),
        nested,
        "{{ 'a' * 100000000 }}".into(),
        "{{ ('a' ~ 'b') * 99999999 }}".into(),
        "{{ value * 100000000 }}".into(),
        "{{ [1] * 100000000 }}".into(),
        "{{ (value | list) * 1000000 }}".into(),
        "{% for i in range(1000000000) %}x{% endfor %}".into(),
        "{% for i in range(4000) %}{% for j in range(4000) %}x{% endfor %}{% endfor %}".into(),
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".into(),
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".into(),
        "{{ '%999999999d' | format(1) }}".into(),
        "{{ '%*d' | format(999999999, 1) }}".into(),
        "{{ '%999999999d' % 1 }}{{ value % 5 }}{{ 5 % 0 }}".into(),
        "{% for i in range(4000) if i % 2 %}{% for j in range(4000) if j %}x{% endfor %}{% endfor %}".into(),
        "{{ '{:>999999999}'.format(1) }}".into(),
        "{{ value.center(999999999) }}".into(),
        "{{ 'aaaa' | indent(999999999) }}".into(),
        "{{ value | replace('', value | replace('', value)) }}".into(),
        "{{ range(4000) | join(value | replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')) }}".into(),
        "{{ ','.join(range(4000) | map('string')) | replace(',', range(4000) | join('xxxxxxxx')) }}".into(),
        "{% set x %}aaaaaaaaaaaaaaaa{% endset %}".to_owned()
            + &"{% set x %}{{ x }}{{ x }}{% endset %}".repeat(40)
            + "{{ x }}",
        "{{ value | regex_replace('(a+)+$', '') | regex_replace('(?=(a+)+$)b', '') }}".into(),
        "{% for i in range(4000) %}{{ value | regex_findall('a{1,900}(?=b)') }}{% endfor %}".into(),
        "{% for i in range(4000) %}{{ range(4000) | list | sort | unique | list | length }}{% endfor %}".into(),
        "{{ 10 ** 10 ** 10 ** 10 }}".into(),
        format!("{{{{ 1{} }}}}", "+1".repeat(8000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(8000), ")".repeat(8000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(4000)),
        format!("{{{{ {}1 }}}}", "-".repeat(16_000)),
        format!("{{{{ x{} }}}}", ".a".repeat(8000)),
        format!("{{{{ x{} }}}}", "|upper".repeat(2700)),
        format!("{{{{ x{} }}}}", "[0]".repeat(5000)),
        format!("{{{{ {} }}}}", "[".repeat(16_000)),
        format!("{{{{ {}1{} }}}}", "a if b else ".repeat(1300), ""),
        format!("{}{}", "{% if a %}".repeat(1500), ""),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(1300)),
        format!("{}x{}", "{% for a in b %}".repeat(400), "{% endfor %}".repeat(400)),
        "{{".repeat(8000),
        "{{".repeat(500_000),
        "{% include 'x' %}".into(),
        "{% extends value %}".into(),
        "{% block a %}{% endblock %}".into(),
        "{% import 'x' as y %}".into(),
        "{{ [].__class__ }}{{ ''.__class__.__mro__ }}".into(),
        "{{ self }}{{ debug() }}".into(),
        "{% set x = namespace %}{% set y = x() %}".into(),
        "{{ now().strftime('%99999999d') }}".into(),
        "{{ timedelta(days=1e300) }}".into(),
        "{{ 1e300 | int }} {{ 'nan' | float }} {{ 1 / 0 }} {{ 1 % 0 }} {{ 1 // 0 }}".into(),
        "{{ 9223372036854775807 + 1 }} {{ -9223372036854775807 - 2 }}".into(),
        "{{ value[::0] }}{{ value[99999999999:] }}".into(),
    ];
    let payload = "a".repeat(100_000);
    // What stands before a tag may look like the beginning of a text or of a comment.
    for before in ["", "'", "\"", "it's ", "{# ' #}", "{{ '}}' }}", "{{ \"'\" }}", "{% raw %}'{% endraw %}"] {
        for (at, template) in cases.iter().enumerate() {
            let head: String = template.chars().take(80).collect();
            let template = format!("{before}{template}");
            let got = read(&template, if before.is_empty() { &payload } else { "a'\"" });
            assert!(got.len() <= engine::MAX_OUTPUT, "{at} {before}{head}: {}", got.len());
            let got = read(&template, "{}");
            assert!(got.len() <= engine::MAX_OUTPUT, "{at} {before}{head}: {}", got.len());
        }
    }
}

/// How many operators an expression has is counted in words, so that no text in it or before it hides any.
#[test]
fn long_expressions_are_refused_whatever_stands_before_them() {
    for before in ["", "'", "\"", "it's ", "{# ' #}", "{{ '}}' }}"] {
        for long in [
            format!("{{{{ {}a }}}}", "-".repeat(8000)),
            format!("{{{{ {}a }}}}", "not ".repeat(2000)),
            format!("{{{{ a{} }}}}", "+a".repeat(4000)),
            format!("{{{{ a{} }}}}", " ~ '}}'".repeat(1500)),
            format!("{{% set x = a{} %}}", " or '%}'".repeat(1500)),
        ] {
            let why = Template::new(&format!("{before}{long}")).unwrap_err();
            assert_eq!(why, "an expression has more than 160 operators", "{before}");
        }
    }
    // Texts are no operators.
    let long = format!("{{{{ '{}' ~ value }}}}", "a.b+c-d|e".repeat(100));
    assert!(read(&long, "x").ends_with("ex"));
}

/// What many renderings of one message take together has an end, and each of them is rendered once.
#[test]
fn the_templates_of_a_message_share_one_purse() {
    let payload = "a".repeat(100_000);
    let document = OnceCell::new();
    let message = Message::new(payload.as_bytes(), Some(AT), &document).unwrap();
    message.share(100, 1);
    let hungry = [
        "{{ value | regex_findall('a(?:.*z)?') | length + N }}",
        "{{ value | regex_findall('(?=(a*)\\\\1b)|a') | length + N }}",
        "{% for i in range(2000) %}{% set x = value[1:] %}{% endfor %}N",
        "{% for i in range(2000) %}{% set x = value | slugify %}{% endfor %}N",
        "{% for i in range(2000) %}{% set x = value | float(0) %}{% endfor %}N",
        "{% for i in range(2000) %}{% set x = value | is_number %}{% endfor %}N",
    ];
    let mut done = 0;
    for n in 0..200 {
        for template in hungry {
            let template = Template::new(&template.replace('N', &n.to_string())).unwrap();
            done += usize::from(template.read(&message).is_ok());
        }
        if message.is_spent() {
            break;
        }
    }
    assert!(message.is_spent() && done < 100, "{done}");
    // The next who hears has his share all the same.
    message.share(50, 1);
    assert!(Template::new("{{ value | length }}").unwrap().read(&message).is_ok());
}

#[test]
fn a_template_that_many_have_is_rendered_once() {
    let document = OnceCell::new();
    let message = Message::new(br#"{"a":1}"#, Some(AT), &document).unwrap();
    message.share(1, 1);
    for _ in 0..100_000 {
        let template = Template::new("{{ (value_json.a | float * 2) | round(1) }}").unwrap();
        assert_eq!(template.read(&message), Ok(Out::Text("2.0".into())));
    }
    assert!(!message.is_spent());
}

/// What comes out of a text takes more room than the text.
#[test]
fn what_json_becomes_is_paid_for() {
    let payload = format!("[{}[]]", "[],".repeat(40_000));
    let sets: String = (0..100).map(|n| format!("{{% set a{n} = value | from_json %}}")).collect();
    assert!(read(&format!("{sets}x"), &payload).starts_with('!'));
    assert_eq!(read("{{ (value | from_json) | length }}", "[1,2,3]"), "3");
}

#[test]
fn who_has_the_same_template_shares_it_and_nobody_loses_his() {
    let source = |n: usize| format!("{{{{ value | int + {n} }}}}");
    let kept: Vec<Template> = (0..3000).map(|n| Template::new(&source(n)).unwrap()).collect();
    for (n, template) in kept.iter().enumerate() {
        assert_eq!(read(&source(n), "1"), (n + 1).to_string());
        let (Template::Engine(one), Ok(Template::Engine(two))) = (template, Template::new(&source(n))) else {
            panic!()
        };
        assert!(Arc::ptr_eq(one, &two));
    }
}

/// What Home Assistant adds to Jinja, beside what stands in the tests above.
#[test]
fn what_home_assistant_adds() {
    all(&[
        ("{{ 1 | ordinal }} {{ 12 | ordinal }} {{ ordinal(23) }}", "", "1st 12th 23rd"),
        ("{{ [1, 5, 3] | median }} {{ median(1, 2) }} {{ ['a', 'b', 'b'] | statistical_mode }}", "", "3.0 1.5 b"),
        ("{{ average(1, 2, 6) }} {{ [] | average(default=0) }}", "", "3.0 0"),
        ("{{ 'aGVsbG8=' | base64_decode }} {{ 'hello' | base64_encode }}", "", "hello aGVsbG8="),
        ("{{ value | base64_decode(none) | unpack('>h') }}", "//4=", "-2"),
        (
            "{{ value | from_hex | unpack('<H', 1) }} {{ 'zz' | from_hex }}",
            "00ff01",
            "!invalid operation: from_hex: these are no pairs of hexadecimal digits",
        ),
        ("{{ value | from_hex | unpack('<H', 1) }} {{ unpack(pack(1.5, '>f'), '>f') }}", "00ff01", "511 1.5"),
        ("{{ 'a b/ä' | urlencode }} {{ {'a': 1, 'b': 'x y'} | urlencode }}", "", "a%20b/%C3%A4 a=1&b=x%20y"),
        ("{{ [1, [2, [3]]] | flatten }} {{ [[1, [2]]] | flatten(levels=1) }}", "", "[1, 2, 3] [1, [2]]"),
        (
            "{{ [1, 2] | union([2, 3]) }} {{ [1, 2] | intersect([2]) }} {{ [1, 2] | difference([2]) }}",
            "",
            "[1, 2, 3] [2] [1]",
        ),
        (
            "{{ combine({'a': 1, 'b': {'x': 1}}, {'b': {'y': 2}}, recursive=true) }}",
            "",
            "{'a': 1, 'b': {'x': 1, 'y': 2}}",
        ),
        ("{{ typeof(value_json.a) }} {{ 1.5 | typeof }} {{ typeof({}) }}", r#"{"a":"x"}"#, "str float dict"),
        (
            "{{ 75 | remap(0, 100, 0, 255) }} {{ remap(2, 0, 1, 0, 10, edges='clamp') }} {{ wrap(370, 0, 360) }}",
            "",
            "191.25 10.0 10.0",
        ),
        ("{{ value | clamp(0, 10) }} {{ atan2(1, 1) | round(3) }}", "12", "10.0 0.785"),
        ("{{ 'Küche Licht-1' | slugify }} {{ slugify('A b', '-') }}", "", "küche_licht_1 a-b"),
        (
            "{{ (now() - timedelta(hours=2)) | relative_time }} {{ time_since(now() - timedelta(seconds=3725), 2) }}",
            "",
            "2 hours 1 hour 2 minutes",
        ),
        ("{{ time_until(now() + timedelta(days=3)) }}", "", "3 days"),
        (
            "{{ '1:30:05' | as_timedelta }} {{ as_timedelta('2 days, 0:00:01').total_seconds() }}",
            "",
            "1:30:05 172801.0",
        ),
        (
            "{{ 'a,b;c'.split(',')[1].partition(';')[0] }} {{ 'key=a=b'.rpartition('=')[2] }} {{ 'aBc'.swapcase() }}",
            "",
            "b b AbC",
        ),
        ("{{ value[0:2] }} {{ value[-2:] }} {{ value[::-1] }} {{ value_json[1:] }}", "[1,2,3]", "[1 3] ]3,2,1[ [2, 3]"),
        ("{{ value_json.x[2:] }}", "{}", "-"),
        ("{{ value_json.x | bitwise_and(4) }} {{ bitwise_or(1, 2) }}", r#"{"x":6}"#, "4 3"),
        ("{{ 5 is string_like }} {{ [1] is list }} {{ now() is datetime }}", "", "False True True"),
        ("{{ value_json.log | default(value_json.lin) | log(10) | round(2) }}", r#"{"lin":1000}"#, "3.0"),
        ("{{ '<b>' | safe }} {{ {'b': [1]} | to_json(pretty_print=true) | length }}", "", "<b> 22"),
        (
            "{{ '%.1f' % value_json.b }} {{ '%s=%d' % ('a', 5) }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 % 2 }} {{ '%d%%' | format(50) }}",
            r#"{"b":2.55}"#,
            "2.5 a=5 2 -2 1.5 50%",
        ),
        ("{{ 'a b  c' | wordcount }}{{ 'x' | center(3) }}|", "", "3 x |"),
        ("{{ namespace is defined }}", "", "!!«namespace» is a namespace: only its attributes may be used"),
        ("{{ this is defined }} {{ states is defined }} {{ entity_id | default('none') }}", "", "False False none"),
    ]);
}

/// Pieces of which templates are made, in any order.
fn templateish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        " ",
        "value",
        "value_json",
        ".a",
        "['b']",
        "[0]",
        "|",
        "float",
        "int",
        "(0)",
        "round",
        "(2)",
        "default",
        "('x', true)",
        "if",
        "else",
        "elif",
        "endif",
        "for",
        "x",
        "in",
        "endfor",
        "set",
        "=",
        "==",
        "!=",
        "<",
        "~",
        "+",
        "-",
        "*",
        "/",
        "//",
        "**",
        "%",
        "'a'",
        "\"b\"",
        "1",
        "0.5",
        "99999999999",
        "none",
        "true",
        "namespace(n=1)",
        "ns",
        "ns.n",
        "range(9)",
        "join",
        "map",
        "regex_replace",
        "('a+', 'b')",
        "tojson",
        "from_json",
        "now()",
        "timedelta(days=1)",
        "as_timestamp",
        "{'k': value}",
        "[1, value]",
        "not",
        "and",
        "or",
        "is",
        "defined",
        "macro f(a)",
        "endmacro",
        "f(1)",
        "continue",
        "break",
        "\n",
        "\\",
        "я",
        "dict.from_keys([(1,2)])",
        "zip([1],[2])",
        "truncate(3,true,'',0)",
        ".split(',')",
        ".replace('a','b')",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn no_template_panics(template in templateish(), payload in "(\\{\"a\":[0-9]{1,3},\"b\":\"[a-z]{0,5}\"\\}|[0-9]{0,5}|.{0,20})") {
        prop_assert!(read(&template, &payload).len() <= engine::MAX_OUTPUT);
        let wrapped = format!("{{{{ {template} }}}}");
        prop_assert!(read(&wrapped, &payload).len() <= engine::MAX_OUTPUT);
    }

    #[test]
    fn no_text_panics(template in any::<String>(), payload in any::<String>()) {
        read(&template, &payload);
    }

    #[test]
    fn a_plain_place_and_the_engine_agree(key in "[a-z]{1,4}", value in "(-?[1-9][0-9]{0,6}(\\.[0-9]{0,2}[1-9])?|true|false|\"[a-z]{1,5}\"|\"[1-9]{1,3}\")") {
        let payload = format!("{{\"{key}\":{value}}}");
        let plain = read(&format!("{{{{ value_json.{key} }}}}"), &payload);
        let engine = read(&format!("{{{{ value_json['{key}'] ~ '' }}}}"), &payload);
        prop_assert_eq!(plain, engine);
    }
}

#[test]
fn what_is_not_there_stands_in_no_order() {
    all(&[
        ("{{ 'ON' if value_json.a > 0 else 'OFF' }}", "{}", "-"),
        ("{{ 'ON' if 0 < value_json.a < 5 else 'OFF' }}", "{}", "-"),
        ("{% if value_json.a is lt 5 %}ON{% else %}OFF{% endif %}", "{}", "-"),
        ("{{ value_json.a == 5 }}", "{}", "False"),
        ("{{ 'ON' if value_json.a > 0 else 'OFF' }}", r#"{"a":true}"#, "ON"),
        ("{{ value_json.a == 1 }}", r#"{"a":true}"#, "True"),
        ("{{ value_json.a > 0 }}", r#"{"a":"7"}"#, "!invalid operation: string and number have no order"),
        ("{{ value_json.a > 0 }}", r#"{"a":null}"#, "!invalid operation: none and number have no order"),
        ("{{ 'b' > value_json.a }}", r#"{"a":"a"}"#, "True"),
        ("{{ [1, 2] < [1, 3] }}", "", "True"),
    ]);
}

#[test]
fn methods_and_filters_that_few_have() {
    all(&[
        ("{{ value | replace('a', 'b', 1) }}", "aaa", "baa"),
        ("{{ value.rsplit('/', 1)[0] }}", "a/b/c", "a/b"),
        ("{{ value.casefold() }}", "ABC", "abc"),
        ("{{ (value | float).is_integer() }}", "7.0", "True"),
        ("{{ as_timedelta(value).total_seconds() }}", "1 02:03:04", "93784.0"),
    ]);
}

#[test]
fn a_filter_that_nobody_has_is_told_at_once() {
    let why = |template| Template::new(template).unwrap_err();
    assert_eq!(why("{{ value | md5 }}"), "the filter «md5» is not available in a device's template");
    assert_eq!(
        why("{% if false %}{{ value is tuple }}{% endif %}"),
        "the test «tuple» is not available in a device's template"
    );
    assert!(Template::new("{{ value | float | round(1) is lt 5 }}").is_ok());
}

#[test]
fn a_command_made_of_nothing_is_none() {
    let given = [("value", Given::Text("on"))];
    assert_eq!(say("{{ this.state }}", &given), "!it needs something that a command does not have");
    assert_eq!(
        say("{{ (as_timestamp(now()) * 1000) | int }}", &given),
        "!it needs something that a command does not have"
    );
    assert_eq!(say("{{ {'off': 0}[value] }}", &given), "!it needs something that a command does not have");
    assert_eq!(say("{{ '' if value == 'on' else value }}", &given), "");
}
