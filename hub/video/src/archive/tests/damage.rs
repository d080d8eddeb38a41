//! What a crash leaves of a segment, and what is found out about one that was tampered with.

use super::*;

/// A generator of its own, so that a failure is the same one tomorrow.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// After a crash at `len`: what was whole is there, plays, and from then on a cut shows.
fn after_a_crash(original: &[u8], closed: &Closed, borders: &[u64], path: &Path, len: u64) {
    std::fs::write(path, &original[..len as usize]).unwrap();
    let records = borders.len() - 3;
    let whole = borders.iter().skip(1).take(records).filter(|end| **end <= len).count();
    let recovered = recover(path, &day(1), Some([9; 16])).unwrap();
    if whole < 2 {
        assert_eq!(recovered, Recovery::Nothing { bytes: len }, "cut at {len}");
        return;
    }
    let again = recover(path, &day(1), Some([8; 16])).unwrap();
    match recovered {
        // The trailer was whole; the footer may not have been.
        Recovery::AlreadyClosed(found) => {
            assert!(len >= borders[records + 1] && whole == records, "cut at {len}");
            assert_eq!(found, Closed { path: path.to_owned(), ..closed.clone() });
            assert_eq!(std::fs::read(path).unwrap(), original);
            assert_eq!(again, Recovery::AlreadyClosed(found));
        }
        Recovery::Recovered { closed: found, cut } => {
            assert_eq!(found.trailer.entries, closed.trailer.entries[..whole], "cut at {len}");
            assert_eq!((found.trailer.reason, found.trailer.previous), (Reason::Recovered, Some([9; 16])));
            assert_eq!(cut, len - borders[whole]);
            assert_eq!(sound_verdict(&found, &day(1)), Verdict::Sound(found.trailer.clone()));
            let reader = SegmentReader::open(path, &day(1)).unwrap();
            let pictures =
                film::read(&super::whole(&reader)).samples.into_iter().filter(|sample| sample.track == 1).count();
            assert_eq!(pictures, 10 * (whole - 1));
            assert_eq!(again, Recovery::AlreadyClosed(found), "a second start changes nothing");
        }
        Recovery::Nothing { .. } => panic!("cut at {len}: {whole} records were whole"),
    }
}

#[test]
fn a_crash_at_any_place_leaves_what_was_whole() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    let original = std::fs::read(&closed.path).unwrap();
    let borders = borders(&closed.path, &day(1));
    assert_eq!(borders.len(), 7 + 3);
    let path = folder.path().join("cut.segment");
    for border in &borders {
        for len in [border - 1, *border, border + 1] {
            after_a_crash(&original, &closed, &borders, &path, len.min(closed.bytes));
        }
    }
    let mut dice = Dice(6);
    // A tenth by default: each place is two starts with their fsyncs.
    let places = if std::env::var_os("DOMOVOI_FULL").is_some() { 1000 } else { 100 };
    for _ in 0..places {
        after_a_crash(&original, &closed, &borders, &path, dice.below(closed.bytes + 1));
    }
}

#[test]
fn zeros_where_the_tail_was_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    let borders = borders(&closed.path, &day(1));
    let mut bytes = std::fs::read(&closed.path).unwrap();
    bytes[borders[3] as usize + 40..].fill(0);
    std::fs::write(&closed.path, &bytes).unwrap();
    let Recovery::Recovered { closed: found, cut } = recover(&closed.path, &day(1), None).unwrap() else { panic!() };
    assert_eq!(found.trailer.entries.len(), 3);
    assert_eq!(cut, closed.bytes - borders[3]);
    std::fs::write(&closed.path, [0; 4096]).unwrap();
    assert_eq!(recover(&closed.path, &day(1), None).unwrap(), Recovery::Nothing { bytes: 4096 });
}

#[test]
fn recovery_with_another_key_or_of_another_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    let original = std::fs::read(&closed.path).unwrap();
    assert!(matches!(recover(&closed.path, &day(2), None), Err(RecoverError::WrongKey(_))));
    assert_eq!(std::fs::read(&closed.path).unwrap(), original);
    for change in [0, 50] {
        let mut bytes = original.clone();
        bytes[change] ^= 1;
        std::fs::write(&closed.path, &bytes).unwrap();
        assert!(matches!(recover(&closed.path, &day(1), None), Err(RecoverError::Heading { .. })));
        assert_eq!(std::fs::read(&closed.path).unwrap(), bytes);
    }
    assert!(matches!(recover(&folder.path().join("none"), &day(1), None), Err(RecoverError::Io { .. })));
}

#[test]
fn a_recovered_trailer_is_sealed_under_a_key_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    let borders = borders(&closed.path, &day(1));
    let original = std::fs::read(&closed.path).unwrap();
    let again = || {
        std::fs::write(&closed.path, &original[..borders[7] as usize + 20]).unwrap();
        recover(&closed.path, &day(1), None).unwrap();
        std::fs::read(&closed.path).unwrap()
    };
    let (one, two) = (again(), again());
    assert_eq!(one.len(), two.len());
    let salt = |bytes: &[u8]| bytes[borders[7] as usize + 5..][..32].to_vec();
    assert_ne!(salt(&one), salt(&two));
    assert_ne!(one[borders[7] as usize + 37..], two[borders[7] as usize + 37..]);
}

#[test]
fn each_bit_that_is_flipped_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let closed = record(folder.path(), &day(1), &film::tracks(None), &frames(20), turning(60_000)).remove(0);
    let borders = borders(&closed.path, &day(1));
    let original = std::fs::read(&closed.path).unwrap();
    let path = folder.path().join("bent.segment");
    let expected =
        Expected { segment: Some([1; 16]), tag: Some(closed.tag), bytes: Some(closed.bytes), ..Expected::default() };
    let mut dice = Dice(1);
    for at in 0..original.len() {
        let mut bytes = original.clone();
        bytes[at] ^= 1 << dice.below(8);
        std::fs::write(&path, &bytes).unwrap();
        let verdict = verify(&path, &day(1), &expected).unwrap();
        let record = borders.iter().rposition(|border| *border <= at as u64);
        let named = match record {
            None => Verdict::HeaderAltered,
            Some(record) if record == borders.len() - 2 => Verdict::FooterAltered,
            Some(record) => Verdict::Altered { record: record as u32 },
        };
        assert_eq!(verdict, named, "byte {at} of {}", original.len());
        // And nothing of the changed record is ever handed out.
        if let Ok(reader) = SegmentReader::open(&path, &day(1)) {
            for (number, entry) in (0..).zip(&closed.trailer.entries) {
                match reader.read(number) {
                    Ok(payload) => assert_eq!(payload.len(), entry.bytes as usize),
                    Err(error) => {
                        assert!(matches!(error, ReadError::Damaged { record, .. } if record == number), "{error}")
                    }
                }
                assert_eq!(reader.read(number).is_err(), record == Some(number as usize));
            }
        }
    }
}

#[test]
fn each_cut_of_a_closed_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let closed = record(folder.path(), &day(1), &film::tracks(None), &frames(20), turning(60_000)).remove(0);
    let borders = borders(&closed.path, &day(1));
    let original = std::fs::read(&closed.path).unwrap();
    for len in 0..original.len() {
        std::fs::write(&closed.path, &original[..len]).unwrap();
        let whole = borders[1..borders.len() - 2].iter().filter(|end| **end <= len as u64).count() as u32;
        let verdict = verify(&closed.path, &day(1), &Expected::default()).unwrap();
        let at_border = borders[..borders.len() - 2].contains(&(len as u64));
        assert_eq!(
            verdict,
            if at_border { Verdict::NoTrailer { whole } } else { Verdict::Truncated { whole } },
            "{len}"
        );
    }
    let mut bytes = original.clone();
    bytes.extend_from_slice(b"more");
    std::fs::write(&closed.path, &bytes).unwrap();
    assert_eq!(sound_verdict(&closed, &day(1)), Verdict::Overlong { from: closed.bytes });
}

/// The file with the records in another order, by their numbers; the trailer is the last one.
fn reordered(original: &[u8], borders: &[u64], order: &[usize]) -> Vec<u8> {
    let mut bytes = original[..HEADING].to_vec();
    for record in order {
        bytes.extend_from_slice(&original[borders[*record] as usize..borders[record + 1] as usize]);
    }
    bytes.extend_from_slice(&original[borders[borders.len() - 2] as usize..]);
    bytes
}

#[test]
fn moved_and_removed_and_doubled_records_are_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    let borders = borders(&closed.path, &day(1));
    let original = std::fs::read(&closed.path).unwrap();
    let cases: [(&[usize], Verdict); 6] = [
        (&[0, 2, 1, 3, 4, 5, 6, 7], Verdict::Moved { record: 1, from: 2 }),
        (&[0, 1, 2, 6, 4, 5, 3, 7], Verdict::Moved { record: 3, from: 6 }),
        (&[0, 1, 2, 3, 5, 6, 7], Verdict::Altered { record: 4 }),
        (&[0, 1, 2, 3, 3, 4, 5, 6, 7], Verdict::Altered { record: 4 }),
        (&[0, 1, 2, 3, 4, 5, 7], Verdict::Altered { record: 6 }),
        (&[7], Verdict::Altered { record: 0 }),
    ];
    for (order, verdict) in cases {
        std::fs::write(&closed.path, reordered(&original, &borders, order)).unwrap();
        let found = sound_verdict(&closed, &day(1));
        // A record that is missing or doubled moves all that follow.
        let named = matches!((&found, &verdict), (Verdict::Moved { record, .. }, Verdict::Altered { record: at }) if record == at);
        assert!(found == verdict || named, "{order:?}: {found:?}, not {verdict:?}");
        // Recovery, were it called on such a file, keeps what stands in its place.
        assert!(SegmentReader::open(&closed.path, &day(1)).is_err() || order.len() == 8);
    }
}

#[test]
fn a_record_of_another_segment_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let rule = turning(4_000);
    let closed = record(folder.path(), &day(1), &film::tracks(None), &frames(60), rule);
    assert_eq!(closed.len(), 3);
    let (ours, theirs) = (&closed[0], &closed[2]);
    let (a, b) = (borders(&ours.path, &day(1)), borders(&theirs.path, &day(1)));
    let original = std::fs::read(&ours.path).unwrap();
    let other = std::fs::read(&theirs.path).unwrap();
    for from in [1, 2] {
        let mut bytes = original[..a[1] as usize].to_vec();
        bytes.extend_from_slice(&other[b[from] as usize..b[from + 1] as usize]);
        bytes.extend_from_slice(&original[a[2] as usize..]);
        std::fs::write(&ours.path, bytes).unwrap();
        let expected = Expected {
            neighbours: &[(closed[1].heading.clone(), day(1)), (theirs.heading.clone(), day(1))],
            ..Expected::default()
        };
        assert_eq!(verify(&ours.path, &day(1), &expected).unwrap(), Verdict::Foreign { record: 1, of: [3; 16] });
        assert_eq!(
            sound_verdict(ours, &day(1)),
            Verdict::Altered { record: 1 },
            "without the neighbours it is a changed one"
        );
    }
}

#[test]
fn a_segment_that_is_missing_or_exchanged_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let closed = record(folder.path(), &day(1), &film::tracks(None), &frames(60), turning(4_000));
    for (before, this) in closed.iter().zip(&closed[1..]) {
        let row = Expected { previous: Some(Some(before.tag)), ..Expected::default() };
        assert_eq!(verify(&this.path, &day(1), &row).unwrap(), Verdict::Sound(this.trailer.clone()));
    }
    // The second one was removed: the third names one that nobody has.
    let row = Expected { previous: Some(Some(closed[0].tag)), ..Expected::default() };
    assert_eq!(verify(&closed[2].path, &day(1), &row).unwrap(), Verdict::ChainBroken { names: Some(closed[1].tag) });
    let first = Expected { previous: Some(None), ..Expected::default() };
    assert_eq!(verify(&closed[0].path, &day(1), &first).unwrap(), Verdict::Sound(closed[0].trailer.clone()));
    assert!(matches!(verify(&closed[1].path, &day(1), &first).unwrap(), Verdict::ChainBroken { .. }));
    // The third one under the second one's name.
    let row = Expected { segment: Some([2; 16]), ..Expected::default() };
    std::fs::copy(&closed[2].path, &closed[1].path).unwrap();
    assert_eq!(verify(&closed[1].path, &day(1), &row).unwrap(), Verdict::Swapped { found: [3; 16] });
    // A heading made anew, with a check sum that fits.
    let mut bytes = std::fs::read(&closed[0].path).unwrap();
    let heading = Heading { started_ms: 5, ..closed[0].heading.clone() };
    bytes[..HEADING].copy_from_slice(&heading.to_bytes());
    let path = copy(&closed[0].path, "made.segment");
    std::fs::write(&path, bytes).unwrap();
    let row = Expected { started_ms: Some(closed[0].heading.started_ms), ..Expected::default() };
    assert_eq!(verify(&path, &day(1), &row).unwrap(), Verdict::HeaderAltered);
    assert_eq!(verify(&path, &day(1), &Expected::default()).unwrap(), Verdict::WrongKey);
    // Sound, but another recording under the same names.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = record(elsewhere.path(), &day(1), &film::tracks(None), &frames(60), turning(4_000));
    std::fs::copy(&other[0].path, &closed[0].path).unwrap();
    assert_eq!(sound_verdict(&closed[0], &day(1)), Verdict::Replaced);
}

#[test]
fn noise_is_no_segment_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let closed = segment(folder.path(), &day(1));
    let original = std::fs::read(&closed.path).unwrap();
    let path = folder.path().join("noise.segment");
    let mut dice = Dice(99);
    for turn in 0..300 {
        let mut bytes = original[..dice.below(original.len() as u64 + 1) as usize].to_vec();
        for _ in 0..dice.below(40) {
            if turn % 2 == 0 && bytes.len() > HEADING {
                let at = HEADING + dice.below((bytes.len() - HEADING) as u64) as usize;
                bytes[at] = dice.below(256) as u8;
            } else {
                bytes.push(dice.below(256) as u8);
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        let _ = verify(&path, &day(1), &Expected::default()).unwrap();
        if let Ok(reader) = SegmentReader::open(&path, &day(1)) {
            for number in 0..10 {
                let _ = reader.read(number);
            }
        }
        let _ = recover(&path, &day(1), None);
    }
    std::fs::write(&path, vec![7; 500]).unwrap();
    assert_eq!(verify(&path, &day(1), &Expected::default()).unwrap(), Verdict::NotOurs);
}
