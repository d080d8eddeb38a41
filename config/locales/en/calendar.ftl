# The calendar, and messages of the portal.

calendar-name = Domovoi
calendar-overdue = Overdue: { $title }
calendar-when = { $date }, { $time }
calendar-late = This reminder is late: the hub was off or did not know the time.
calendar-missed = { $count ->
    [one] While the hub was off, { $count } more was missed.
   *[other] While the hub was off, { $count } more were missed.
}

# Why something of the calendar cannot be.
calendar-no-event = There is no such event.
calendar-no-occurrence = This event has no such occurrence.
calendar-no-secret-address = There is no such secret address.
calendar-no-calendar-elsewhere = There is no such calendar elsewhere.
calendar-read-only = This event was not written down here: another part of the home or a calendar elsewhere gives it.
calendar-full = No more of these: at most { $most }.
calendar-no-clock = The hub's clock is not set yet: the calendar waits for it.
calendar-wrong-blank = Say what to call it.
calendar-wrong-too-long = Too long.
calendar-wrong-controls = There are characters in the text that cannot be seen.
calendar-wrong-start = A date, 2026-11-24, or a date and a time, 2026-11-24T08:00.
calendar-wrong-start-kind = Whole days stay whole days.
calendar-wrong-zone = There is no such time zone. For example Europe/Moscow.
calendar-wrong-whole-days = Whole days are 1440 minutes each.
calendar-wrong-length = An event is at most a year long.
calendar-wrong-reminders = At most eight reminders, up to a year before.
calendar-wrong-rule = The rule of recurrence cannot be read. For example FREQ=WEEKLY;BYDAY=MO.
calendar-wrong-rule-too-much = The rule of recurrence asks for too much: every hour at the oftenest, 10000 times at most.
calendar-wrong-rule-never = By this rule the event never happens.
calendar-wrong-no-task = There is nothing to do about this event, and nothing to tick off.

# What came of a calendar elsewhere.
calendar-read = Read.
calendar-read-in-part = Read, but { $count } events could not be taken.
calendar-not-read-yet = Not read yet.
calendar-failed-address = Not the address of a calendar: https://… or webcal://…, without a name and a password.
calendar-failed-forbidden = This address leads into the home's network or to nobody. Addresses of the home are allowed in the settings: calendar.allow.
calendar-failed-https = Calendars are read over https only.
calendar-failed-timeout = The calendar did not answer in time.
calendar-failed-unreachable = The calendar cannot be reached.
calendar-failed-broken = The connection to the calendar broke.
calendar-failed-status = In place of a calendar came the answer { $detail }.
calendar-failed-redirects = The address redirects too often.
calendar-failed-too-large = The calendar is larger than 2 MB.
calendar-failed-not-a-calendar = There is no calendar at this address.
calendar-failed-twice = This calendar is read already.

# Messages of the portal and to it.
portal-message-no-such = There is no such message.
portal-message-too-late = The message has left already.
portal-message-full = Too many messages wait for the portal.
portal-message-wrong = A message has 1 to 4000 characters.
portal-message-waiting = waits for the link, the permission or the consent
portal-message-tried = sent { $detail } time(s) without a clear answer; it goes again under the same number
portal-message-taken = the portal has it
portal-message-refused = the portal refused it: { $detail }
portal-message-expired = too old to be sent any more
portal-message-withdrawn = taken back
