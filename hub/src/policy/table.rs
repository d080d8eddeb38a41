//! What each role may do by itself, what the machine's own hands may do, what a PIN is enough for, and what can be given
//! at all: one table. It knows nothing of grants, hours, networks and factors; those are weighed in `decide`.

use Kind as K;
use Whose::{Any, Own, Ward};

use super::{Kind, Object, Role, Verb, Who};

/// Whose a thing is, seen from the one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The caller's own.
    Own,
    /// Somebody's who is looked after here: a child's, or a program's.
    Ward,
    /// The home's, everybody's, or another person's.
    Any,
}

impl Whose {
    /// All of them.
    pub const ALL: [Whose; 3] = [Own, Ward, Any];

    /// Its code in the locale files (`whose-<code>`).
    pub fn code(self) -> &'static str {
        match self {
            Own => "own",
            Ward => "ward",
            Any => "any",
        }
    }

    /// Whose `object` is for `who`.
    pub(super) fn of(object: &Object, who: &Who) -> Whose {
        if object.owner.is_some() && object.owner == who.person() {
            Own
        } else if object.owner.is_some() && matches!(object.owner_role, Some(Role::Child | Role::Service)) {
            Ward
        } else {
            Any
        }
    }
}

/// Who has a column in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// A role by itself.
    Role(Role),
    /// Whoever holds the machine.
    Console,
    /// The hub itself.
    House,
    /// What a PIN on the wall tablet is enough for; the person needs the right besides.
    Pin,
    /// What a grant can give. What is not here is given by nobody to nobody.
    Given,
}

impl Column {
    /// All of them, as they stand in the table.
    pub const ALL: [Column; 9] = [
        Column::Role(Role::Owner),
        Column::Role(Role::Adult),
        Column::Role(Role::Child),
        Column::Role(Role::Guest),
        Column::Role(Role::Service),
        Column::Console,
        Column::House,
        Column::Pin,
        Column::Given,
    ];

    fn place(self) -> usize {
        match self {
            Column::Role(Role::Owner) => 0,
            Column::Role(Role::Adult) => 1,
            Column::Role(Role::Child) => 2,
            Column::Role(Role::Guest) => 3,
            Column::Role(Role::Service) => 4,
            Column::Console => 5,
            Column::House => 6,
            Column::Pin => 7,
            Column::Given => 8,
        }
    }
}

type Verbs = u8;
/// See.
const S: Verbs = 1;
/// Command.
const C: Verbs = 2;
/// Edit.
const E: Verbs = 4;
/// sUbmit.
const U: Verbs = 8;
/// eXport.
const X: Verbs = 16;
/// Nothing.
const O: Verbs = 0;

fn bit(verb: Verb) -> Verbs {
    match verb {
        Verb::See => S,
        Verb::Command => C,
        Verb::Edit => E,
        Verb::Submit => U,
        Verb::Export => X,
    }
}

/// A line adds to the line of the same kind that says `Any`: who may see everybody's sessions sees the own ones.
///
/// What a line is like, and why:
/// - The owner answers for the home and may nevertheless not act in another adult's name: set a password, add a passkey
///   or a token, agree to something, take the person's data away. A way in can be handed out anew (`Factor`, command: a
///   link with which the person chooses new factors), which is journaled and told to the person.
/// - To hand in something for a person's record (`Person`, submit) is to confirm a contact, which is a login from then on.
/// - Children and programs are wards: somebody has to choose for them, and it is the owner.
/// - To hand in something for a device (submit) is to bring samples of the past in: history that nobody measured here.
/// - To command safety is to try a rule out and to hush: whoever is at home when a siren sounds may silence it, and what
///   was closed stays closed. To edit it is to say what the house does in danger.
/// - To see a camera is to see what it shows now, to edit it is to add it, change it and forget it. What it recorded is a
///   thing of its own: to see it is to play it, to export it is to take it away, to edit it is to erase it. The wall tablet
///   shows the door, and not who came yesterday. Neither a child nor a guest has any of it unless it is given by name.
/// - Whoever is at home may say that an alert is known, and hears of it: a guest sees it too. Messages of the portal are
///   about money and contracts. What somebody wants to be told is that person's own; the owner sees whether it arrived.
/// - A scenario does what its author may, whoever starts it: so whoever may start it must be trusted with that, and a child
///   only sees it. Whether somebody is at home is known to the household, not to guests. A maker's cloud is the owner's.
/// - A reading is handed in by any adult. Acts go to the portal in the name of the account that the owner linked, so
///   approving them is the owner's until it is delegated.
/// - A program has nothing but what its token names, and the table is the most that a token can name.
/// - The console is the owner's hands without a person: nothing is its own, and it may let anybody in anew (recovery).
/// - To command a session of one's own is to leave: everybody may, on the wall tablet too.
/// - What opens ways in (rights, factors, sessions, tokens, consents, credentials, secrets) is never given by a grant.
#[rustfmt::skip]
const TABLE: &[(Kind, Whose, [Verbs; 9])] = &[
    //                          owner     adult    child   guest   service  console   house     pin   can be given
    (K::Home,        Any,    [S|C|E,     S|C,     S,      S,      S,      S|C|E,     S|C|E,     S|C,  S|C      ]),
    (K::Room,        Any,    [S|C|E,     S|C|E,   S|C,    S|C,    S,      S|C|E,     S|C|E,     S|C,  S|C|E    ]),
    (K::Device,      Any,    [S|C|E|U|X, S|C|E,   S|C,    S|C,    S|C,    S|C|E|U|X, S|C|E,     S|C,  S|C|E|X  ]),
    (K::Safety,      Any,    [S|C|E,     S|C,     S|C,    S,      S,      S|C|E,     S|C|E,     S|C,  S|C|E    ]),
    (K::Camera,      Any,    [S|C|E|X,   S|C,     O,      O,      S,      S|C|E|X,   S|C,       S|C,  S|C|E|X  ]),
    (K::Recording,   Any,    [S|E|X,     S,       O,      O,      S,      S|E|X,     S|E,       O,    S|E|X    ]),
    (K::Meter,       Any,    [S|E|U|X,   S|U|X,   S,      O,      S|U|X,  S|E|U|X,   S|E|U,     S,    S|E|U|X  ]),
    (K::Act,         Any,    [S|E|U|X,   S|X,     O,      O,      S|X,    S|E|U|X,   S|E|U,     O,    S|U|X    ]),
    (K::Portal,      Any,    [S|E|U|X,   S,       O,      O,      S,      S|E|U|X,   S|U,       O,    S        ]),
    (K::Notice,      Any,    [S|E,       S|E,     S,      O,      S,      S|E,       S|E,       S,    S|E      ]),
    (K::Alert,       Any,    [S|C|E|X,   S|C|X,   S|C,    S,      S|C,    S|C|E|X,   S|C|E,     S|C,  S|C|E|X  ]),
    (K::Message,     Any,    [S|C|E|U|X, S|C,     O,      O,      S,      S|C|E|U|X, S|C|U,     O,    S|C|X    ]),
    (K::Calendar,    Any,    [S|E|X,     S|E|X,   S,      O,      S,      S|E|X,     S|E,       S,    S|E|X    ]),
    (K::Telling,     Any,    [S,         O,       O,      O,      O,      S|C|E,     S|C,       O,    O        ]),
    (K::Telling,     Ward,   [S|C|E,     O,       O,      O,      O,      O,         O,         O,    O        ]),
    (K::Telling,     Own,    [S|C|E,     S|C|E,   S|C|E,  S|C|E,  S,      O,         O,         O,    O        ]),
    (K::Scenario,    Any,    [S|C|E|X,   S|C|E|X, S,      O,      S|C,    S|C|E|X,   S|C|E,     S|C,  S|C|E|X  ]),
    (K::Presence,    Any,    [S|E,       S,       S,      O,      S,      S|C|E,     S|C,       S,    S|C      ]),
    (K::Presence,    Ward,   [S|C|E,     O,       O,      O,      O,      O,         O,         O,    O        ]),
    (K::Presence,    Own,    [S|C|E,     S|C|E,   S|C,    S|C,    S,      O,         O,         S|C,  O        ]),
    (K::Cloud,       Any,    [S|C|E,     S,       O,      O,      S,      S|C|E,     S|C,       O,    S        ]),
    (K::Journal,     Any,    [S|X,       O,       O,      O,      O,      S|X,       S,         O,    S|X      ]),
    (K::Journal,     Own,    [O,         S|X,     S|X,    S,      O,      O,         O,         O,    O        ]),
    (K::System,      Any,    [S|C|E|X,   S,       O,      O,      S,      S|C|E|X,   S|C|E,     O,    S        ]),
    (K::Credential,  Any,    [S|E,       O,       O,      O,      O,      S|E,       O,         O,    O        ]),
    (K::Secret,      Any,    [S|E,       O,       O,      O,      O,      S|E,       S,         O,    O        ]),
    (K::Topic,       Any,    [O,         O,       O,      O,      O,      O,         S|U,       O,    O        ]),
    (K::Person,      Any,    [S|E,       S,       O,      O,      O,      S|E,       S,         O,    S        ]),
    (K::Person,      Ward,   [U|X,       O,       O,      O,      O,      O,         O,         O,    O        ]),
    (K::Person,      Own,    [S|E|U|X,   S|E|U|X, S|E|U|X, S|E|U|X, S,      O,         O,         S,    O        ]),
    (K::Rights,      Any,    [S|E,       O,       O,      O,      O,      S|E,       S,         O,    O        ]),
    (K::Rights,      Own,    [S|U,       S|U,     S,      S,      S,      O,         O,         O,    O        ]),
    (K::Factor,      Any,    [S|C,       O,       O,      O,      O,      S|C|E,     O,         O,    O        ]),
    (K::Factor,      Ward,   [E,         O,       O,      O,      O,      O,         O,         O,    O        ]),
    (K::Factor,      Own,    [S|E,       S|E,     S|E,    S|E,    O,      O,         O,         O,    O        ]),
    (K::Session,     Any,    [S|E,       O,       O,      O,      O,      S|E,       S|E,       O,    O        ]),
    (K::Session,     Own,    [S|C|E,     S|C|E,   S|C|E,  S|C|E,  S,      O,         O,         S|C,  O        ]),
    (K::Token,       Any,    [S,         O,       O,      O,      O,      S,         O,         O,    O        ]),
    (K::Token,       Ward,   [E,         O,       O,      O,      O,      E,         O,         O,    O        ]),
    (K::Token,       Own,    [S|E,       S|E,     O,      O,      S,      O,         O,         O,    O        ]),
    (K::Consent,     Any,    [O,         O,       O,      O,      O,      O,         S,         O,    O        ]),
    (K::Consent,     Ward,   [S|E,       O,       O,      O,      O,      O,         O,         O,    O        ]),
    (K::Consent,     Own,    [S|E,       S|E,     S|E,    S|E,    O,      O,         O,         O,    O        ]),
];

/// Whether the table has it.
pub(super) fn has(column: Column, kind: Kind, whose: Whose, verb: Verb) -> bool {
    TABLE
        .iter()
        .filter(|(of, line, _)| *of == kind && (*line == whose || *line == Any))
        .filter_map(|(_, _, cells)| cells.get(column.place()))
        .any(|cell| cell & bit(verb) != 0)
}

/// Whether a grant can give this at all.
pub fn can_be_given(verb: Verb, kind: Kind) -> bool {
    has(Column::Given, kind, Any, verb)
}

/// What the table says, line by line, as people and the reference page read it.
pub fn table() -> impl Iterator<Item = (Kind, Whose, [Vec<Verb>; 9])> {
    TABLE.iter().map(|(kind, whose, cells)| {
        let verbs = cells.map(|cell| Verb::ALL.into_iter().filter(|verb| cell & bit(*verb) != 0).collect());
        (*kind, *whose, verbs)
    })
}

/// What opens a way in, or hands on a right: dangerous whatever the door says, so that neither a token nor a browser
/// that was left open can make itself at home.
pub(super) fn opens_a_way_in(verb: Verb, kind: Kind) -> bool {
    matches!(
        (kind, verb),
        (Kind::Factor, Verb::Edit | Verb::Command)
            | (Kind::Rights, Verb::Edit | Verb::Submit)
            | (Kind::Token | Kind::Credential | Kind::Secret, Verb::Edit)
    )
}
