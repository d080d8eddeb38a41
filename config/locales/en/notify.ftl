# Notifications: what stands in letters around the news itself, why somebody was or was not told, why a wish is not taken. The keys and variables are those in ru.

telling-drill = Exercise: { $title }
telling-over = Over: { $title }
telling-known = { $name } knows: { $title }
telling-digest = { $count ->
    [one] While you did not want to be disturbed: { $count } message
   *[other] While you did not want to be disturbed: { $count } messages
}
telling-digest-life = { $count ->
    [one] Danger! { $count } more alert
   *[other] Danger! { $count } more alerts
}
telling-digest-more = { $count ->
    [one] and { $count } more on the home's page
   *[other] and { $count } more on the home's page
}
telling-answer-stale = This link is good no more: it is over, or it got worse since. Open the home's page.
telling-test = A test of this way
telling-test-body = The home tries whether a message reaches you. There is nothing to do.

notice-telling-way-failing = Messages for “{ $name }” do not arrive by “{ $way }”: { $why }. Check the address, or add another way.

# Why
why-life = Life is at stake: told at any hour and by every way.
why-drill = It is an exercise or a test: it wakes nobody.
why-may-not-see = No right to see such things in this home.
why-meant-for-others = It was meant for others.
why-not-wanted = This topic is switched off in the wishes.
why-not-bad-enough = Less severe than chosen in the wishes: in the inbox only.
why-other-room = About a room that the person does not follow: in the inbox only.
why-muted = Muted until { $until }: in the inbox only.
why-quiet = Quiet hours until { $until }: it comes in one letter after them.
why-clock-unknown = The home's clock is not set, so quiet hours do not count; an exercise wakes nobody.
why-by-rule = Rule { $number } of the wishes says so.
why-all-ways = What is severe comes by all ways that cost nothing.
why-first-way = The usual comes by the first way that costs nothing.
why-no-way = There is no way to reach the person that works: in the inbox only.
why-only-costs = Only ways that cost money are there, and it can wait: in the inbox only.
why-costs-now = Nobody has answered in time: a way that costs money is taken too.
why-too-many = Too many letters: it comes with others in one.
why-others-first = Somebody else is asked first: { $name }.
why-your-turn = The one before did not answer: it is this person's turn.
why-everybody = Nobody answered: everybody is told.
why-again = Nobody answered: told again.
why-other-way = One way failed: another is tried.
why-answered = Knows already: { $name }.
why-over = It is over.
why-worse = It is worse than before: told anew.
why-in-digest = It came with others in one letter.

# Why a wish is not taken
wish-nobody-for-life = Then nobody grown up could be reached when life is at stake. Leave at least one adult one way that works, without a limit for dangers.
wish-bad-hours = Hours are from 0:00 to 23:59, days from Monday to Sunday.
wish-quiet-too-long = It would be quiet for { $hours } hours on end, and more than 36 cannot be: what is kept back has to be told some time.
wish-too-many = Too many ({ $what }): at most { $most }.
wish-no-such-channel = There is no channel “{ $channel }” in this home.
wish-bad-mute = Something is muted for a month at most, and not into the past.
wish-nobody-yet = Nobody grown up in this home can be reached now when life is at stake: confirm an e-mail address or a phone number, or switch notifications on in a browser.

letter-queued = queued
letter-failed = did not arrive
letter-dropped = not needed any more
letter-sent = sent
letter-delivered = delivered
letter-seen = seen
letter-answered = answered: known

topic-danger = Danger at home
topic-emergency = Warnings of services
topic-outage = Outages
topic-device = Devices
topic-camera = Cameras
topic-meter = Meters and readings
topic-money = Bills and payments
topic-security = Security of sign-in
topic-house = The home itself
topic-calendar = Calendar
topic-message = Messages of the portal
