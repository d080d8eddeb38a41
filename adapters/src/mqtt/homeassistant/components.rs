//! The components of Home Assistant, by name. One line for each here and in `build`; what one is stands in the file of
//! its family.

mod alarm;
mod climate;
mod cover;
mod event;
mod fan;
pub(super) mod light;
mod sensor;
mod siren;
mod switch;
mod tracker;
mod update;
mod vacuum;
mod value;

use super::entity::Plan;

pub(super) use self::fan::slowest;
pub(super) use self::vacuum::leads_to;
use super::options::Bad;

macro_rules! components {
    ($($variant:ident $word:literal $build:path),* $(,)?) => {
        /// A component.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Component {
            $(#[doc = $word] $variant),*
        }

        impl Component {
            /// By its name.
            pub(super) fn read(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Component::$variant),)*
                    _ => None,
                }
            }

            /// Its name.
            pub(super) fn word(self) -> &'static str {
                match self {
                    $(Component::$variant => $word),*
                }
            }
        }

        /// Builds an entity from its options.
        pub(super) fn build(component: Component, plan: &mut Plan<'_, '_>) -> Result<(), Bad> {
            match component {
                $(Component::$variant => $build(plan)),*
            }
        }
    };
}

components! {
    AlarmControlPanel "alarm_control_panel" alarm::build,
    BinarySensor "binary_sensor" sensor::binary,
    Button "button" switch::button,
    Camera "camera" tracker::camera,
    Climate "climate" climate::build,
    Cover "cover" cover::cover,
    Date "date" value::text,
    Datetime "datetime" value::text,
    DeviceAutomation "device_automation" event::automation,
    DeviceTracker "device_tracker" tracker::build,
    Event "event" event::build,
    Fan "fan" fan::build,
    Humidifier "humidifier" climate::humidifier,
    Image "image" tracker::image,
    LawnMower "lawn_mower" vacuum::mower,
    Light "light" light::build,
    Lock "lock" switch::lock,
    Notify "notify" value::notify,
    Number "number" value::number,
    Scene "scene" switch::scene,
    Select "select" value::select,
    Sensor "sensor" sensor::build,
    Siren "siren" siren::build,
    Switch "switch" switch::build,
    Tag "tag" event::tag,
    Text "text" value::text,
    Time "time" value::text,
    Update "update" update::build,
    Vacuum "vacuum" vacuum::build,
    Valve "valve" cover::valve,
    WaterHeater "water_heater" climate::water_heater,
}

impl Component {
    /// Whether it is an entity, which has a `unique_id`; triggers and tags are none.
    pub(super) fn is_entity(self) -> bool {
        !matches!(self, Component::DeviceAutomation | Component::Tag)
    }
}
