//! A way tried for its own sake: a letter that says that it is a test.

use domovoi_model::{Id, Severity};

use super::{Desk, Out, millis};
use crate::notify::policy::Call;
use crate::notify::record::{At, Delivery, LetterState};
use crate::notify::{Subject, Topic, letters};
use crate::words::words;

impl Desk {
    /// Tries a way.
    pub fn try_way(&mut self, way: Id, now: At) -> Out {
        let mut out = Out::default();
        let Some(route) = self.routes.get_mut(&way) else { return out };
        route.tested_at = Some(now.wall);
        out.ways.push(route.clone());
        let (person, channel) = (route.person, route.channel.clone());
        let words = words(self.language_of(person));
        let text = (words.say("telling-test", &[]), words.say("telling-test-body", &[]));
        let delivery = Delivery {
            id: (self.new_id)(now.wall),
            subject: Subject::Test((self.new_id)(now.wall)),
            telling: 1,
            person,
            way,
            channel,
            call: Call::First,
            life: false,
            severity: Severity::Minor,
            topic: Topic::House,
            text: Some(text),
            state: LetterState::Queued,
            times: vec![(LetterState::Queued, now.wall)],
            why: None,
            receipt: None,
            tries: 0,
            asked: 0,
            until: now.wall.plus_millis(millis(letters::good_for(false, Severity::Minor))),
        };
        self.enter(delivery, now, &mut out);
        out
    }
}
