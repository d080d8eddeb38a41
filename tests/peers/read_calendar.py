"""Reads an .ics file with `icalendar` and follows its rules with `dateutil`, on the clocks of the VTIMEZONE that the file
itself brings along. Prints what it found as JSON: the errors, and for each event its title and the beginnings in UTC."""

import datetime
import json
import sys

import icalendar
from dateutil.rrule import rruleset, rrulestr

UTC = datetime.timezone.utc
LIMIT = int(sys.argv[2])


def starts(event, zones):
    start = event["DTSTART"].dt
    whole_day = not isinstance(start, datetime.datetime)
    naive = datetime.datetime.combine(start, datetime.time()) if whole_day else start.replace(tzinfo=None)
    zone = zones.get(event["DTSTART"].params.get("TZID")) or (None if whole_day else start.tzinfo)

    def local(value):
        if not isinstance(value, datetime.datetime):
            return datetime.datetime.combine(value, datetime.time())
        return value.replace(tzinfo=None)

    found = rruleset()
    if "RRULE" in event:
        rule = event["RRULE"].to_ical().decode()
        parts = [part for part in rule.split(";") if not part.startswith("UNTIL=")]
        until = event["RRULE"].get("UNTIL")
        rule = rrulestr(";".join(parts), dtstart=naive)
        if until:
            end = until[0]
            end = local(end.astimezone(zone) if isinstance(end, datetime.datetime) and zone else end)
            rule = rule.replace(until=end)
        found.rrule(rule)
    else:
        found.rdate(naive)
    left_out = event.get("EXDATE", [])
    for one in left_out if isinstance(left_out, list) else [left_out]:
        for date in one.dts:
            found.exdate(local(date.dt))
    for at in list(found.__iter__()) if not "RRULE" in event else take(found):
        yield at if whole_day else at.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)


def take(found):
    for number, at in enumerate(found):
        if number >= LIMIT:
            return
        yield at


def main():
    with open(sys.argv[1], "rb") as file:
        calendar = icalendar.Calendar.from_ical(file.read())
    zones = {str(zone["TZID"]): zone.to_tz() for zone in calendar.walk("VTIMEZONE")}
    errors, events = [], []
    for part in calendar.walk():
        errors.extend(f"{part.name}: {error}" for error in part.errors)
        errors.extend(f"{part.name} has no {name}" for name in part.required if name not in part)
    for event in calendar.walk("VEVENT"):
        events.append({
            "uid": str(event["UID"]),
            "title": str(event["SUMMARY"]),
            "notes": str(event.get("DESCRIPTION", "")),
            "moved": "RECURRENCE-ID" in event,
            "alarms": [int(alarm["TRIGGER"].dt.total_seconds() // 60) for alarm in event.walk("VALARM")],
            "starts": [at.strftime("%Y-%m-%dT%H:%M") for at in starts(event, zones)],
        })
    print(json.dumps({"name": str(calendar["X-WR-CALNAME"]), "errors": errors, "events": events}))


main()
