//! An alert: something that somebody in the home should know and perhaps do something about, whoever says so: a weather
//! service, the portal, a sensor, the house itself. Its words follow CAP 1.2 (OASIS Standard CAP-v1.2), whatever it came
//! from. Who hears of it, and how, is not its business.

use crate::codes;
use crate::id::{Id, PersonId};
use crate::observation::DeviceRef;
use crate::time::{Moment, Timestamp};

codes! {
    /// How bad it is or will be (CAP `severity`), from the least.
    Severity {
        /// Nobody said.
        Unknown = "unknown",
        /// Minimal to no known threat.
        Minor = "minor",
        /// Possible threat.
        Moderate = "moderate",
        /// Significant threat.
        Severe = "severe",
        /// Extraordinary threat.
        Extreme = "extreme",
    }
}

codes! {
    /// How soon somebody should act (CAP `urgency`), from the least.
    AlertUrgency {
        /// Nobody said.
        Unknown = "unknown",
        /// Not any more.
        Past = "past",
        /// In the near future.
        Future = "future",
        /// Within an hour.
        Expected = "expected",
        /// Now.
        Immediate = "immediate",
    }
}

codes! {
    /// How sure it is (CAP `certainty`), from the least.
    Certainty {
        /// Nobody said.
        Unknown = "unknown",
        /// Not expected.
        Unlikely = "unlikely",
        /// At most half.
        Possible = "possible",
        /// More than half.
        Likely = "likely",
        /// It has happened or goes on.
        Observed = "observed",
    }
}

codes! {
    /// What the message is for (CAP `status`). A draft is nobody's to see and has none.
    AlertStatus {
        /// In earnest.
        Actual = "actual",
        /// An exercise.
        Exercise = "exercise",
        /// Between systems.
        System = "system",
        /// A test.
        Test = "test",
    }
}

codes! {
    /// Where it was born.
    AlertOrigin {
        /// A feed of a weather or emergency service.
        Feed = "feed",
        /// The portal.
        Portal = "portal",
        /// A sensor of this home: gas, smoke, water.
        Hazard = "hazard",
        /// A device that fails.
        Device = "device",
        /// A camera, or its archive.
        Camera = "camera",
        /// A meter, a bill.
        Metering = "metering",
        /// Something that was to be handed to the portal.
        Submission = "submission",
        /// Somebody at the door: sign-in, rights, strangers' devices.
        Security = "security",
        /// The house itself: disk, clock, broker.
        House = "house",
    }
}

codes! {
    /// How far its life has come. Acknowledging is people's and stands beside it.
    AlertState {
        /// It stands as it was first told.
        Raised = "raised",
        /// It stands, otherwise than it was told first.
        Updated = "updated",
        /// Whoever raised it took it back, or its cause is over.
        Cancelled = "cancelled",
        /// Its time is over.
        Expired = "expired",
    }
}

impl AlertState {
    /// Whether it still stands.
    pub fn stands(self) -> bool {
        matches!(self, AlertState::Raised | AlertState::Updated)
    }
}

codes! {
    /// CAP `category`.
    AlertCategory {
        /// Geophysical.
        Geo = "geo",
        /// Meteorological.
        Met = "met",
        /// General emergency and public safety.
        Safety = "safety",
        /// Law enforcement, and the security of this home.
        Security = "security",
        /// Rescue and recovery.
        Rescue = "rescue",
        /// Fire.
        Fire = "fire",
        /// Medical and public health.
        Health = "health",
        /// Pollution.
        Env = "env",
        /// Transport.
        Transport = "transport",
        /// Utilities, and the devices of this home.
        Infra = "infra",
        /// Chemical, biological, radiological, nuclear, explosive.
        Cbrne = "cbrne",
        /// Anything else.
        Other = "other",
    }
}

codes! {
    /// What it is, as far as there is something of its own to say about what to do.
    Peril {
        /// Gas in the home.
        Gas = "gas",
        /// Carbon monoxide in the home.
        CarbonMonoxide = "carbon-monoxide",
        /// Smoke or fire in the home.
        Smoke = "smoke",
        /// Water where none should be.
        WaterLeak = "water-leak",
        /// The home freezes.
        Freezing = "freezing",
        /// A flood.
        Flood = "flood",
        /// Wind, a storm, a tornado.
        Wind = "wind",
        /// A thunderstorm, hail.
        Thunderstorm = "thunderstorm",
        /// Rain.
        Rain = "rain",
        /// Snow, a blizzard.
        Snow = "snow",
        /// Ice, freezing rain, glaze.
        Ice = "ice",
        /// Heat.
        Heat = "heat",
        /// Cold.
        Cold = "cold",
        /// Fog.
        Fog = "fog",
        /// A forest or grass fire, or its danger.
        Wildfire = "wildfire",
        /// A fire in the district.
        Fire = "fire",
        /// An earthquake.
        Earthquake = "earthquake",
        /// A tsunami.
        Tsunami = "tsunami",
        /// An avalanche, a mudflow, a landslide.
        Avalanche = "avalanche",
        /// A volcano.
        Volcano = "volcano",
        /// Chemicals.
        Chemical = "chemical",
        /// Radiation.
        Radiation = "radiation",
        /// Bad air, smog.
        Air = "air",
        /// A threat from the air: drones, rockets.
        AirRaid = "air-raid",
        /// A threat by people: an attack, a search, a child abducted.
        Attack = "attack",
        /// An epidemic.
        Epidemic = "epidemic",
        /// Something of the utilities is off.
        Outage = "outage",
        /// The road.
        Transport = "transport",
        /// A device of this home.
        Device = "device",
        /// A camera of this home.
        Camera = "camera",
        /// A meter, a reading, a bill.
        Meter = "meter",
        /// An account, a right, a stranger in the network.
        Account = "account",
        /// The hub itself.
        Hub = "hub",
        /// Anything else.
        Other = "other",
    }
}

/// Why it concerns this home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// It is about this home itself.
    Home,
    /// The home lies inside one of its polygons.
    Polygon {
        /// The area's name.
        area: String,
    },
    /// The home lies inside one of its circles.
    Circle {
        /// The area's name.
        area: String,
    },
    /// It names a code that the settings name.
    Code {
        /// The area's name.
        area: String,
        /// The code's kind: `EMMA_ID`, `OKTMO`.
        name: String,
        /// The code.
        value: String,
    },
    /// Its area has no shape and no code of a kind that the home has, and is called like the home's region.
    Region {
        /// The area's name.
        area: String,
        /// The name in the settings.
        region: String,
    },
    /// It names no area, and its feed was said to be about this place only.
    LocalFeed,
}

/// What it says, in one language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlertText {
    /// The language's code as the sender wrote it, lower case: `ru`, `en-us`.
    pub language: String,
    /// What kind of event, in the sender's words.
    pub event: String,
    /// One line.
    pub headline: String,
    /// What happens.
    pub description: String,
    /// What to do, in the sender's words; may be empty.
    pub instruction: String,
}

/// Somebody has said "I know".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Who.
    pub by: PersonId,
    /// When.
    pub at: Moment,
}

/// An alert with its life.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The hub's own, random; stays through all updates.
    pub id: Id,
    /// Where it was born.
    pub origin: AlertOrigin,
    /// What it is found by where it was born: one chain of messages, one danger, one notice.
    pub key: String,
    /// What it is for.
    pub status: AlertStatus,
    /// How far its life has come.
    pub state: AlertState,
    /// How bad.
    pub severity: Severity,
    /// How soon.
    pub urgency: AlertUrgency,
    /// How sure.
    pub certainty: Certainty,
    /// What kinds; never empty.
    pub categories: Vec<AlertCategory>,
    /// What it is.
    pub peril: Peril,
    /// Somebody may die of not hearing it now: it passes every quiet hour.
    pub life: bool,
    /// What it says; the first is the one to be shown to whoever has no language of these. Never empty.
    pub texts: Vec<AlertText>,
    /// The names of its areas that concern the home.
    pub areas: Vec<String>,
    /// Why it concerns the home; empty only for [`AlertOrigin`]s of the home that name nothing.
    pub concerns: Vec<Concern>,
    /// Who says so, as people read it.
    pub sender: String,
    /// The official page about it.
    pub web: Option<String>,
    /// The feed it came from, by its name in the settings.
    pub feed: Option<String>,
    /// The device it is about.
    pub device: Option<DeviceRef>,
    /// The room it is about.
    pub room: Option<String>,
    /// When the hub first heard of it.
    pub raised_at: Moment,
    /// When something about it changed last.
    pub changed_at: Moment,
    /// When its sender wrote it.
    pub sent: Option<Timestamp>,
    /// From when it is so.
    pub onset: Option<Timestamp>,
    /// Until when. An alert of the home itself has none.
    pub expires: Option<Timestamp>,
    /// The sender gave no end: it is the hub's.
    pub expires_assumed: bool,
    /// When it was cancelled or expired.
    pub ended_at: Option<Moment>,
    /// Who has said "I know", each once, in that order.
    pub acknowledged: Vec<Acknowledged>,
    /// What was done of what is recommended: the keys of the steps, who and when.
    pub steps_done: Vec<(String, Acknowledged)>,
    /// Counts what whoever was told should be told anew: it was raised, it became worse.
    pub telling: u32,
}

impl Alert {
    /// Whether it still stands.
    pub fn stands(&self) -> bool {
        self.state.stands()
    }

    /// What it says in a language, by its first letters: `ru` finds `ru-RU`; otherwise the first.
    pub fn text(&self, language: &str) -> Option<&AlertText> {
        let fits = |text: &&AlertText| text.language.split('-').next() == Some(language);
        self.texts.iter().find(fits).or_else(|| self.texts.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_back_and_differ() {
        for peril in Peril::ALL {
            assert_eq!(Peril::from_code(peril.code()), Some(*peril));
        }
        for severity in Severity::ALL {
            assert_eq!(Severity::from_code(severity.code()), Some(*severity));
        }
        assert!(Severity::Extreme > Severity::Severe && Severity::Minor > Severity::Unknown);
        assert!(AlertUrgency::Immediate > AlertUrgency::Expected && Certainty::Observed > Certainty::Likely);
        assert_eq!(AlertOrigin::from_code("nobody"), None);
    }
}
