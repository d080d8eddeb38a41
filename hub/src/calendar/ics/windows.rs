//! What Outlook and Exchange call time zones, and the place whose clocks they mean (CLDR, windowsZones.xml): those of this
//! part of the world and the most used of others. Any other name is looked up in the calendar's own VTIMEZONE.

const NAMES: &[(&str, &str)] = &[
    ("Kaliningrad Standard Time", "Europe/Kaliningrad"),
    ("Russian Standard Time", "Europe/Moscow"),
    ("Russia Time Zone 3", "Europe/Samara"),
    ("Volgograd Standard Time", "Europe/Volgograd"),
    ("Saratov Standard Time", "Europe/Saratov"),
    ("Astrakhan Standard Time", "Europe/Astrakhan"),
    ("Ekaterinburg Standard Time", "Asia/Yekaterinburg"),
    ("Omsk Standard Time", "Asia/Omsk"),
    ("N. Central Asia Standard Time", "Asia/Novosibirsk"),
    ("Tomsk Standard Time", "Asia/Tomsk"),
    ("Altai Standard Time", "Asia/Barnaul"),
    ("North Asia Standard Time", "Asia/Krasnoyarsk"),
    ("North Asia East Standard Time", "Asia/Irkutsk"),
    ("Transbaikal Standard Time", "Asia/Chita"),
    ("Yakutsk Standard Time", "Asia/Yakutsk"),
    ("Vladivostok Standard Time", "Asia/Vladivostok"),
    ("Sakhalin Standard Time", "Asia/Sakhalin"),
    ("Magadan Standard Time", "Asia/Magadan"),
    ("Russia Time Zone 10", "Asia/Srednekolymsk"),
    ("Russia Time Zone 11", "Asia/Kamchatka"),
    ("Belarus Standard Time", "Europe/Minsk"),
    ("FLE Standard Time", "Europe/Kyiv"),
    ("E. Europe Standard Time", "Europe/Chisinau"),
    ("Georgian Standard Time", "Asia/Tbilisi"),
    ("Caucasus Standard Time", "Asia/Yerevan"),
    ("Azerbaijan Standard Time", "Asia/Baku"),
    ("Central Asia Standard Time", "Asia/Bishkek"),
    ("Qyzylorda Standard Time", "Asia/Qyzylorda"),
    ("West Asia Standard Time", "Asia/Tashkent"),
    ("Turkey Standard Time", "Europe/Istanbul"),
    ("Israel Standard Time", "Asia/Jerusalem"),
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Central Europe Standard Time", "Europe/Budapest"),
    ("Central European Standard Time", "Europe/Warsaw"),
    ("Romance Standard Time", "Europe/Paris"),
    ("GTB Standard Time", "Europe/Bucharest"),
    ("GMT Standard Time", "Europe/London"),
    ("Greenwich Standard Time", "Atlantic/Reykjavik"),
    ("Eastern Standard Time", "America/New_York"),
    ("Central Standard Time", "America/Chicago"),
    ("Mountain Standard Time", "America/Denver"),
    ("Pacific Standard Time", "America/Los_Angeles"),
    ("China Standard Time", "Asia/Shanghai"),
    ("India Standard Time", "Asia/Kolkata"),
    ("Tokyo Standard Time", "Asia/Tokyo"),
    ("SE Asia Standard Time", "Asia/Bangkok"),
    ("Arabian Standard Time", "Asia/Dubai"),
    ("UTC", "UTC"),
];

/// The place of a name.
pub fn place(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(windows, _)| windows.eq_ignore_ascii_case(name)).map(|(_, place)| *place)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_place_has_clocks() {
        for (name, place) in super::NAMES {
            assert!(jiff::tz::TimeZone::get(place).is_ok(), "{name}: {place}");
        }
    }
}
