//! Every record comes back as it was written; no foreign bytes are taken for one without being whole, and none panic.

use proptest::{option, prelude::*};

use super::*;

fn text() -> impl Strategy<Value = ByteString> {
    "[a-zю/+#$]{0,12}".prop_map(ByteString::from)
}

fn a_qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)]
}

fn id() -> impl Strategy<Value = NonZeroU16> {
    (1..=u16::MAX).prop_filter_map("not 0", NonZeroU16::new)
}

fn subscription() -> impl Strategy<Value = Subscription> {
    (a_qos(), any::<bool>(), any::<bool>(), any::<u32>()).prop_map(
        |(qos, no_local, retain_as_published, identifier)| Subscription {
            qos,
            no_local,
            retain_as_published,
            identifier: NonZeroU32::new(identifier),
        },
    )
}

fn publish() -> impl Strategy<Value = Publish> {
    let properties = (
        option::of(text()),
        option::of(text()),
        option::of(prop::collection::vec(any::<u8>(), 0..9)),
        prop::collection::vec((text(), text()), 0..3),
        any::<u32>(),
        any::<bool>(),
    );
    (text(), prop::collection::vec(any::<u8>(), 0..200), a_qos(), any::<bool>(), properties).prop_map(
        |(topic, payload, qos, retain, (content_type, response_topic, correlation, user, expiry, utf8))| Publish {
            topic,
            payload: payload.into(),
            qos,
            retain,
            dup: false,
            properties: PropertySet {
                content_type,
                response_topic,
                correlation: correlation.map(Bytes::from),
                user,
                expiry_secs: NonZeroU32::new(expiry),
                utf8,
            }
            .into(),
        },
    )
}

fn receiver() -> impl Strategy<Value = Receiver> {
    let identifiers = prop::collection::vec((1..u32::MAX).prop_filter_map("not 0", NonZeroU32::new), 0..3);
    (any::<[u64; 2]>(), a_qos(), any::<bool>(), identifiers, option::of("[a-z$/]{1,9}")).prop_map(
        |([session, number], qos, retain, identifiers, share)| Receiver {
            session,
            number,
            qos,
            retain,
            identifiers,
            share: share.map(|share| share.as_str().into()),
        },
    )
}

fn a_record() -> impl Strategy<Value = Record> {
    let session = any::<u64>;
    prop_oneof![
        (session(), text(), option::of("[a-z]{0,9}"), any::<u64>(), option::of(any::<i64>())).prop_map(
            |(session, client_id, username, expiry_millis, ends_at_millis)| Record::Session {
                session,
                client_id,
                username,
                expiry_millis,
                ends_at_millis
            }
        ),
        session().prop_map(|session| Record::Ended { session }),
        (session(), text(), subscription(), any::<bool>()).prop_map(|(session, filter, subscription, retained)| {
            Record::Subscribed { session, filter, subscription, retained }
        }),
        (session(), text()).prop_map(|(session, filter)| Record::Unsubscribed { session, filter }),
        (
            any::<u64>(),
            publish(),
            option::of(any::<i64>()),
            option::of(any::<u64>()),
            any::<bool>(),
            prop::collection::vec(receiver(), 0..4)
        )
            .prop_map(|(message, publish, expires_at_millis, publisher, retained, receivers)| {
                Record::Message(Box::new(MessageRecord {
                    message,
                    publish,
                    expires_at_millis,
                    publisher,
                    retained,
                    receivers,
                }))
            }),
        (session(), any::<u64>(), id()).prop_map(|(session, message, id)| Record::Assigned { session, message, id }),
        (session(), any::<u64>(), id()).prop_map(|(session, message, id)| Record::Releasing { session, message, id }),
        (session(), any::<u64>()).prop_map(|(session, message)| Record::Done { session, message }),
        any::<u64>().prop_map(|message| Record::Cancelled { message }),
        (session(), any::<u64>(), id()).prop_map(|(session, message, id)| Record::Taken { session, message, id }),
        (session(), id()).prop_map(|(session, id)| Record::Released { session, id }),
        (any::<u64>(), "[a-z]{1,9}", option::of("[a-z]{0,9}"), any::<(bool, bool, u16)>(), any::<u64>(), publish())
            .prop_map(|(will, client_id, username, (v6, v5, port), delay_millis, publish)| {
                let ip: IpAddr = if v6 { [7u8; 16].into() } else { [10, 0, 0, 1].into() };
                let protocol = if v5 { Protocol::V5 } else { Protocol::V311 };
                let client = Absent { client_id, username, address: SocketAddr::new(ip, port), protocol };
                Record::Will(Box::new(WillRecord { will, client, publish, delay_millis }))
            }),
        any::<u64>().prop_map(|will| Record::WillCleared { will }),
        (session(), text(), subscription(), option::of(text()), any::<u64>()).prop_map(
            |(session, filter, subscription, after, until)| Record::Cursor {
                session,
                filter,
                subscription,
                after,
                until
            }
        ),
        (session(), text()).prop_map(|(session, filter)| Record::CursorDone { session, filter }),
    ]
}

fn frame(records: &[Record]) -> Vec<u8> {
    let mut frame = Vec::new();
    begin(&mut frame);
    records.iter().for_each(|record| record.write(&mut frame));
    frame
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(records in prop::collection::vec(a_record(), 0..6)) {
        prop_assert_eq!(read(&frame(&records)), Some(records));
    }

    #[test]
    fn a_frame_cut_short_yields_no_record_that_was_not_written(
        records in prop::collection::vec(a_record(), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let frame = frame(&records);
        let cut = frame.get(..cut.index(frame.len())).unwrap_or_default();
        if let Some(found) = read(cut) {
            prop_assert!(found.len() < records.len() && records.starts_with(&found));
        }
    }

    #[test]
    fn foreign_bytes_are_harmless(mut bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..17) {
        let _ = read(&bytes);
        bytes.splice(..0, [VERSION, kind]);
        let _ = read(&bytes);
    }

    #[test]
    fn a_damaged_frame_is_harmless(
        records in prop::collection::vec(a_record(), 1..4),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut frame = frame(&records);
        let at = at.index(frame.len());
        frame[at] = byte;
        let _ = read(&frame);
    }
}

#[test]
fn a_length_that_is_not_there_reserves_nothing() {
    // A message with 2^60 receivers.
    let mut frame = vec![VERSION, 5, 1, 0, 0, 1, b't', 0, 0, 0, 0, 0, 0, 0, 0];
    frame.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    assert_eq!(read(&frame), None);
    assert_eq!(read(&[VERSION + 1]), None);
    assert_eq!(read(&[]), None);
}
