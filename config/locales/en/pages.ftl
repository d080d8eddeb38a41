# Pages. Keys and variables are those of ru; a test compares them.

## In common: the frame, the menu, the looks.
page-skip = Skip to content
page-nav = Sections
page-nav-home = Home
page-nav-meters = Meters
page-nav-people = People
page-nav-journal = Journal
page-nav-me = You
page-help = Help
page-sign-out = Sign out
page-back = Back
page-to-home = To the front page
page-continue = Continue
page-begin-again = Begin again
page-or = or
page-never = never
page-trouble = Please check:
page-look-theme = Colours
page-look-auto = Like the device
page-look-light = Light
page-look-dark = Dark
page-look-contrast = High contrast
page-look-language = Language
page-look-choose = Apply

## How long ago.
page-age-now = just now
page-age-minutes = { $count ->
    [one] { $count } minute ago
   *[other] { $count } minutes ago
}
page-age-hours = { $count ->
    [one] { $count } hour ago
   *[other] { $count } hours ago
}
page-age-days = { $count ->
    [one] { $count } day ago
   *[other] { $count } days ago
}

## When it did not work.
page-fault-refused = This is not open to you
page-fault-missing = There is no such page
page-fault-missing-text = It may have been removed, or the address has a slip in it.
page-fault-forged = This page is out of date
page-fault-forged-text = You have signed in again or out while it was open. Go back, reload the page and try again.
page-fault-large = The file is too large
page-fault-large-text = A photo may have up to 5 MB. Make it smaller and try again.
page-fault-form = The form could not be read
page-fault-form-text = Go back, reload the page and fill it in again.
page-fault-wait = Too many tries
page-fault-wait-text = { $minutes ->
    [one] Too many tries in a row. Wait { $minutes } minute and try again.
   *[other] Too many tries in a row. Wait { $minutes } minutes and try again.
}
page-fault-expired = Time is up
page-fault-expired-text = This took too long. Please begin again.
page-fault-broken = Something is broken
page-fault-broken-text = This is a fault of the house, not yours. Wait a minute and try again. If it does not help, ask the owner to run domovoi doctor.
page-fault-no = That did not work
page-fault-no-text = The house could not do this. It says:

## Password and codes.
page-login = Phone, e-mail or sign-in name
page-password = Password
page-password-new = Choose a password
page-password-hint = At least 15 characters. A few random words in a row are easiest to remember.
page-password-show = Show
page-password-hide = Hide
page-totp-code = Code from the app
page-totp-code-hint = The six digits that the app shows now.
page-recovery-use = No app at hand? Use a recovery code
page-recovery-code = Recovery code
page-recovery-code-hint = One of the codes that you saved. It works only once.
page-passkey-use = Sign in with a passkey
page-passkey-failed = The passkey did not work. Try again or sign in another way.
page-passkey-needs-script = Passkeys (fingerprint, face, the phone's code) work when JavaScript is on. With a password you can sign in without it.

## Signing in.
page-sign-in-title = Sign in
page-sign-in-do = Sign in
page-sign-in-wrong = That is not right. Check the sign-in name and the password.
page-sign-in-code = Get a one-time code
page-sign-in-portal = Sign in through the portal
page-sign-in-device = Sign in with another device
page-sign-in-other = Sign in another way
page-second-title = One more step
page-second-lead = The password is right. Please show that it is you.
page-second-wrong = The code did not work. It may have changed meanwhile: enter the new one.
page-code-title = Sign in with a one-time code
page-code-login-hint = The code comes if this phone or e-mail is confirmed in the home.
page-code-send = Send the code
page-code-sent = If we know { $login }, the code is on its way. It is valid for ten minutes.
page-code = Code from the message
page-code-wrong = The code did not work. Check the digits or ask for a new one.
page-code-again = Send it again
page-pin-title = Who are you?
page-pin-nobody = Nobody can sign in with a PIN on this tablet yet. Set a PIN on your phone: “You”, then “Sign-in and security”.
page-pin-who = Choose yourself
page-pin = PIN
page-pin-pad = Digits
page-pin-clear = Delete a digit
page-pin-wrong = The PIN is wrong.

## First set-up and one-time links.
page-setup-title = Welcome home
page-setup-lead = Domovoi is running and waits for its owner. Say who you are, and the home is yours.
page-setup-token = Code from the link
page-setup-token-hint = The program printed it when it started: what follows the # in the link.
page-setup-token-missing = Paste the code from the link that the program printed.
page-setup-token-over = This link is no longer valid: it works once and for ten minutes. Get a new one with domovoi setup.
page-setup-name = Your name
page-setup-name-hint = This is how the family will see you.
page-setup-name-missing = Write your name.
page-setup-login = Phone, e-mail or sign-in name
page-setup-login-hint = You will sign in with it. It goes nowhere but to this home.
page-setup-login-missing = Write a phone number, an e-mail address or a sign-in name.
page-setup-password-missing = Choose a password.
page-setup-not-taken = This cannot be taken: { $why }
page-setup-do = Become the owner
page-entry-title = Come in by a link
page-entry-lead = This link lets you in once. Choose a password now, or come in without one and make a passkey on the next page.
page-entry-token-hint = What follows the # in the link that you were given.
page-entry-token-missing = Paste the code from the link.
page-entry-token-over = This link is no longer valid. Ask the owner of the home for a new one.
page-entry-password-hint = May be left empty.
page-entry-do = Come in

## Front page.
page-home-morning = Good morning, { $name }
page-home-day = Good afternoon, { $name }
page-home-evening = Good evening, { $name }
page-home-night = Good night, { $name }
page-home-now = What needs you now
page-home-look-at-safety = Under “Safety” there is something that is not in order yet: have a look.
page-home-calm = All is well. There is nothing to do.
page-home-act-waits = The readings of { $period } are ready to be sent ({ $supplier }). Look at them and approve.
page-home-act-look = Look
page-home-held = “{ $point }”: a reading looks doubtful and waits for you.
page-home-held-look = Sort it out
page-home-notice-clear = Read
page-home-stronger = Protect your sign-in
page-home-stronger-text = You sign in with a password alone. Add a passkey: it is easier, and nobody can steal it.
page-home-stronger-do = Set it up

## Meters and readings.
page-meters-none = There are no meters yet. The owner adds them on the command line:
page-meter-no-value = no reading yet
page-meter-held = waits for you
page-meter-done = The reading is taken. Thank you!
page-meter-now = Now
page-meter-submit = Hand in a reading
page-meter-submit-do = Hand in
page-meter-value = Reading
page-meter-value-of = Reading { $register }
page-meter-value-missing = Copy the digits from the meter's face.
page-meter-value-wrong = “{ $typed }” is not a number. Copy the digits from the face, such as 123.456.
page-meter-not-taken = That did not work: { $why }
page-meter-photo = Photo of the meter
page-meter-photo-hint = Optional. It helps if the supplier has doubts. JPEG or PNG up to 5 MB; the place and other particulars are wiped.
page-meter-photo-wrong = This is not a photo, or the file is damaged. JPEG and PNG will do.
page-meter-doubt = The reading looks unusual
page-meter-doubt-text = Compare it with the face. If it is right, confirm and hand it in again; a photo has to be chosen anew.
page-meter-confirm = I have compared it with the face, it is right
page-meter-facts = About the meter
page-meter-supplier = Supplier
page-meter-account = Account
page-meter-serial = Serial number
page-meter-verified = Verification valid until
page-meter-device = Device that reports it
page-meter-history = History
page-meter-history-none = Readings will appear here.
page-meter-source = From
page-meter-verdict = Verdict
page-meter-accept = It is right
page-meter-ignore = Leave it out
page-verdict-accepted = accepted
page-verdict-held = waits for a decision
page-verdict-ignored = left out
page-source-device = device { $device }
page-source-photo = { $name }, with a photo
page-source-installation = when installed
page-when = When
page-time-unknown = time unknown

## Acts.
page-acts = Sent readings
page-acts-lead = Once a month the home gathers the readings into an act, you approve it, and it goes to the supplier.
page-acts-none = There are no acts yet.
page-act-title = Readings of { $period }
page-act-account = account { $account }
page-act-way = The way of the act
page-act-draft = draft
page-act-checked = waits for approval
page-act-approved = signed
page-act-sent = sent
page-act-confirmed = the portal has it
page-act-received = received
page-act-refused = refused
page-act-superseded = corrected
page-step-draft = Draft
page-step-checked = Checked
page-step-approved = Approved
page-step-signed = Signed
page-step-sent = Sent
page-step-received = Received
page-act-story-draft = The home is still gathering readings. You can approve once all are checked.
page-act-story-checked = Everything is checked. Look and approve: the home signs the act and sends it by itself.
page-act-story-approved = The act is signed and waits to be sent. The home sends it as soon as the portal answers.
page-act-story-sent = The act was sent on { $at }. The home waits for the portal to confirm it.
page-act-story-confirmed = The portal got the act on { $at }. The receipt is still to come.
page-act-story-received = Done: the supplier has the readings, and the receipt of { $at } is kept in the home.
page-act-story-refused = The portal refused the act: { $why } Mend the reason and draw up a corrected act.
page-act-story-superseded = A corrected act took its place.
page-act-successor = Open the corrected one
page-act-says = What it says
page-act-meter = Meter
page-act-consumption = Consumption
page-act-date = As of
page-act-portal = Portal
page-act-portal-pending = no answer yet
page-act-portal-accepted = accepted
page-act-portal-rejected = refused: { $why }
page-act-receipt = Receipt
page-act-signature = Signature
page-act-signature-holds = holds
page-act-signature-broken = does not hold: run domovoi doctor
page-act-approve = Approve and sign
page-act-approve-hint = A signed act never changes; it can only be corrected by a new one.
page-act-incomplete = Sign without the readings that are missing
page-act-not-checked = Not everything is checked yet. Wait, or tick that you sign without the missing readings.
page-act-no-clock = The clock of the home is not set yet, and nothing is signed without the right time. Wait a few minutes.
page-act-later-month = A later month is stated already. Tell the supplier about the correction yourself.
page-act-not-correctable = There is nothing to correct: the portal does not have this act yet, or the readings are the same.
page-act-correct = Correct the act
page-act-correct-text = The home draws up a new act of the same month with the present readings and sends it in place of this one.
page-act-correct-do = Draw up a corrected act

## Buttons that are everywhere.
page-save = Save
page-add = Add
page-remove = Remove
page-cancel = Cancel
page-withdraw = Withdraw
page-copy = Copy
page-copied = Copied
page-print = Print
page-date-wrong = This is not a date. Choose a day in the calendar or write it as 2026-12-31.
page-somebody-gone = an erased person

## People.
page-person-add = Add a person
page-person-add-do = Add
page-person-name = Name
page-person-relation = Who they are in the family
page-person-relation-hint = Such as mum, grandpa, nanny. May be left empty.
page-person-role = Role
page-person-last-day = Last day
page-person-last-day-hint = For guests only: after this day the access ends by itself.
page-person-contact = Phone, e-mail or sign-in name
page-person-contact-hint = May be added later.
page-person-until = until { $at }
page-person-until-missing = A guest needs a last day: until when do they stay?
page-person-locked = locked
page-person-over = time is up
page-person-profile = About the person
page-person-language-home = As in the home
page-person-large = Large letters
page-person-access = Access and data
page-contacts = Phones and e-mail
page-contacts-none = Nothing here yet.
page-contact-name = sign-in name
page-contact-confirmed = confirmed
page-contact-unconfirmed = not confirmed
page-contact-confirm = Confirm
page-contact-sent = A code was sent to { $contact }. It is valid for ten minutes.
page-contact-add = Add a phone, an e-mail or a sign-in name
page-contact-add-hint = A phone or an e-mail has to be confirmed with a code; a sign-in name works at once.
page-contact-undelivered = The code was not sent: mail or text messages do not work now. Try again later.
page-invite = Sign-in link
page-invite-hint = A one-time link for a day: the person comes in by it and chooses a password or a passkey.
page-invite-done = Hand this link over yourself: { $name } comes in by it once. It will not be shown again.
page-lock = Lock
page-lock-hint = If a phone is lost: every session ends at once, and there are no new ones until you unlock.
page-unlock = Unlock
page-export = Download the data
page-erase = Erase the person

## Rights.
page-rights = Rights
page-rights-role = What is allowed now
page-grants = Single rights
page-grant-allow = may
page-grant-deny = may not
page-grant-from = Handed on by { $name }
page-grant-hours = from { $from } to { $to }
page-grant-home = at home only
page-grant-until = until { $at }
page-grant-add = Give or take away a right
page-grant-effect = Allow or forbid
page-grant-verbs = To do what
page-grant-verb-missing = Tick at least one.
page-grant-kind = With what
page-grant-hour-from = From what time
page-grant-hour-to = To what time
page-grant-hours-wrong = Give both times, from and to, or neither.
page-grant-last-day = Last day
page-delegate = Hand on a right of yours
page-delegate-lead = To hand in readings while you are away, for example. The right comes back to you by itself, and you can take it back any day.
page-delegate-do = Hand on a right
page-delegate-to = To whom
page-delegate-until-missing = Choose the last day: a right is handed on for at most 90 days.

## Erasing a person.
page-erase-title = Erase: { $name }
page-erase-own = You are erasing yourself from this home.
page-erase-other = The person will not be able to sign in any more.
page-erase-text = The name, contacts, ways to sign in, consents and everything personal in the journal disappear. The journal's entries stay without the name. Nothing can be brought back.
page-erase-name = The person's name
page-erase-name-hint = So that it is no slip, type: { $name }
page-erase-name-wrong = The name is not the same.
page-erase-do = Erase for good

## Consents and the portal.
page-consents = Consents
page-consent-title = Consent to hand in readings
page-consent-stands = stands
page-consent-over = does not stand
page-consent-none = not given
page-consent-text = The words of the consent
page-consent-given = given on { $at }
page-consent-withdrawn = withdrawn on { $at }
page-consent-given-by = { $name }: { $at }
page-consent-agree = I have read this and agree
page-consent-agree-missing = Tick that you have read it and agree.
page-consent-give = Give consent
page-consent-withdraw = Withdraw consent
page-consent-all = All my consents
page-portal = Portal and consent
page-portal-link = The link with the portal
page-portal-unlinked = The home is not linked with the portal. The owner links it on the command line:
page-portal-linking = The home is being linked with the portal.
page-portal-linked = The home has been linked with the portal since { $at }.
page-portal-relink = The portal no longer takes this link. No reading is lost: they wait until the owner links the home again.
page-portal-pending = The account at the portal is not confirmed yet. Confirm it there; the home will notice.
page-portal-blocked = The account at the portal is blocked. Ask the portal's support.
page-portal-permissions = What the home may do

## You.
page-me-data = My data
page-me-data-hint = Name, phones and e-mail, rights, consents
page-me-security-hint = Password, passkeys, where you are signed in
page-me-pair-hint = Let in a new phone or tablet
page-me-portal-hint = What leaves the home, and who agreed to it

## Sign-in and security.
page-security = Sign-in and security
page-factors = How you sign in
page-used = Last used: { $at }
page-unused = Not used yet
page-passkey-add = Add a passkey
page-passkey-name = Name of the passkey
page-passkey-name-example = My phone
page-passkey-what = Sign in with this device's fingerprint, face or code. There is nothing to remember and nothing to steal.
page-password-set = Set a password
page-password-change = Change the password
page-password-met = A good password
page-password-ends = Your other devices will have to sign in again.
page-totp-add = Add an app with codes
page-totp-again = Move the codes to another app
page-totp-what = An app on the phone shows six digits that change every half minute. Any app for such codes will do.
page-totp-scan = Point the camera of the app with codes at the picture.
page-totp-picture = Picture for the app with codes
page-totp-type = Does it not work? Type this key into the app:
page-totp-confirm = Check and switch on
page-recovery-make = Get recovery codes
page-recovery-again = Get new recovery codes
page-recovery-what = Ten one-time codes for when the phone is lost. The former codes stop working.
page-recovery-left = { $count ->
    [one] { $count } code left
   *[other] { $count } codes left
}
page-recovery-new = Your recovery codes
page-recovery-new-text = Save them now: print them or write them down. They will not be shown again. Each works once.
page-pin-set = Set a PIN for the tablet on the wall
page-pin-change = Change the PIN for the tablet on the wall
page-pin-new = New PIN
page-pin-hint = Four digits. It works only on a tablet that was let into the home.
page-sessions = Where you are signed in
page-session-this = this device
page-session-ends = Ends on { $at }
page-session-name = Rename
page-session-name-label = Name
page-session-end = Sign out there
page-sessions-end-others = Sign out on all other devices
page-tokens = Access for programs
page-tokens-what = A token lets a program in under your name. Give it to nobody whom you do not trust.
page-token-add = Issue a token
page-token-name = What it is for
page-token-scope = What it may do
page-token-see = Look only
page-token-readings = Look and hand in readings
page-token-all = Everything that I may
page-token-days = For how many days
page-token-do = Issue
page-token-new = New token
page-token-new-text = Copy it now: it will not be shown again.
page-certificates = Device certificates

## Showing that it is you.
page-step-up-title = Show that it is you
page-step-up-lead = This is an important step. Sign in once more; we will not ask again for five minutes.
page-step-up-passkey = Confirm with a passkey
page-step-up-do = Confirm
page-step-up-wrong = That is not right. Try again.

## A new device.
page-device-lead = If you are signed in on another phone, let this device in from there: no password is needed.
page-device-which = What is this device?
page-device-phone = My phone or computer
page-device-tablet = A shared tablet on the wall
page-device-do = Show the code
page-device-scan = Point the camera of the phone where you are signed in at the picture.
page-device-picture = Picture with the code { $code }
page-device-type = Or open { $address } on it and type the code:
page-device-until = The code is valid until { $at }.
page-device-waiting = Waiting for you to confirm on the phone.
page-device-check = I have confirmed
page-pair = New device
page-pair-lead = Type the code that the new phone or tablet shows.
page-pair-code = Code
page-pair-code-hint = Eight letters and digits from the new device's screen.
page-pair-over = This code is not valid. Have the new device show another one.
page-pair-phone = Let this device in?
page-pair-phone-lead = It signs in under your name and may do all that you may. Let in only what you hold in your hands.
page-pair-tablet = Let the tablet into the home?
page-pair-tablet-lead = It becomes the family's: everybody signs in on it with a PIN. Let in only what you see with your own eyes.
page-pair-device = What it says it is
page-pair-address = From where
page-pair-name = What to call it
page-pair-name-phone = Phone, { $name }
page-pair-name-tablet = Tablet on the wall
page-pair-approve = Let it in
page-pair-refuse = Do not let it in
page-pair-done = Done: the device is let in. It opens the home by itself.

## Journal.
page-journal-lead = Who did what in the home, and when. Entries cannot be changed or removed unnoticed.
page-journal-own = What you did in this home.
page-journal-search = Search
page-journal-text = Any words
page-journal-who = Who
page-journal-anybody = Anybody
page-journal-what = What
page-journal-from = From where
page-journal-outcome = Outcome
page-journal-any = Any
page-journal-since = From
page-journal-until = Until
page-journal-find = Find
page-journal-export = Download as a table
page-journal-verify = Check that nobody changed the entries
page-journal-holds = Every entry is in its place and none was changed.
page-journal-broken = Something is wrong with the journal
page-journal-none = Nothing was found.
page-journal-older = Earlier
page-journal-nobody = unknown
page-journal-house = the home
page-journal-console = command line
page-journal-credential = device { $name }
page-journal-done = done
page-journal-refused = refused: { $why }
page-journal-failed = failed: { $why }
page-journal-outcome-refused = refused
page-journal-outcome-failed = failed
page-journal-erased = erased
page-journal-times = ({ $count } times)

## Help.
page-help-what = What this is
page-help-what-text = Domovoi lives on a small computer in your home. It listens to the meters, gathers the readings and, with your consent, hands them to the suppliers. Everything is kept here, in the home, encrypted.
page-help-in = How to sign in
page-help-in-text = With the phone number, e-mail or name that you gave the owner, and your password. A passkey is easier: add it once under “You”, “Sign-in and security”, and then a fingerprint or the phone's code is enough.
page-help-lost = Forgot the password or lost the phone
page-help-lost-text = Ask the owner of the home for a sign-in link. If the phone is lost, have them press “Lock” on your page at once. An owner who cannot sign in runs domovoi people link on the hub.
page-help-reading = How to hand in a reading
page-help-reading-text = Open “Meters”, choose yours, copy the digits from its face and press “Hand in”. Once a month the home gathers the readings into an act, the owner approves it, and they go to the supplier.
page-help-warning = The browser warns of danger
page-help-warning-text = The home wrote its own certificate, and the browser does not know it yet. The http page of this home tells how to explain once that it can be trusted.
page-help-data = Your data
page-help-data-text = Nothing leaves the home without consent. On your own page you can download all that the home knows of you, withdraw consents and erase yourself.

## Ways to sign in.
page-factor-passkey = Passkey
page-factor-password = Password
page-factor-totp = App with codes
page-factor-recovery = Recovery codes
page-factor-pin = PIN for the tablet
page-factor-portal = Portal account

## The journal: roads, and what changed.
page-road-page = page
page-road-api = program
page-road-console = command line
page-road-mqtt = device
page-road-house = the home itself
page-field-name = name
page-field-role = role
page-field-until = last day
page-field-contact = contact
page-field-grant = right
page-field-delegation = right handed on
page-field-consent = consent
page-field-device = device
page-field-token = token
page-field-scopes = what it may do
page-field-factor = way to sign in
page-field-how = with
page-field-locked = lock
page-field-profile = about the person
page-field-person = person
page-field-sessions = sessions
page-field-relation = who in the family

## Devices, rooms, connecting, safety.
page-nav-devices = Devices
page-me-journal-hint = Who did what, and when
page-rooms = Rooms
page-safety = Safety
page-inbox = New devices
page-connect = Connect a device
page-devices-none = There is no device here yet.
page-devices-no-room = In no room
page-devices-waiting = { $count ->
    [one] { $count } device waits to be accepted.
   *[other] { $count } devices wait to be accepted.
}
page-device-unreachable = Seems out of reach
page-device-try-anyway = The device seems to be out of reach. A command may be tried all the same: sometimes it wakes it.
page-device-last-known = last known, { $age }
page-device-last-known-undated = last known, nobody knows when
page-device-suspect = The device itself doubts it: { $why }
page-device-broken = Does not work: { $why }
page-device-no-value = nothing said yet
page-device-dangerous = Before this the house asks whether it is you.
page-device-turn-on = Switch on
page-device-turn-off = Switch off
page-device-open = Open
page-device-close = Close
page-device-lock = Lock
page-device-unlock = Unlock
page-device-press = Press
page-device-set = Set
page-device-name = Name
page-device-name-hint = What it is called at home. An empty field gives it its own name back.
page-device-name-wrong = A name has up to 64 characters, on one line.
page-device-room = Room
page-device-new = The device is connected and accepted.
page-device-waits = The device was not accepted yet: it is shown, but it is told nothing and closes no valve.
page-device-silent = The device has said nothing of itself yet.
page-device-told = Latest commands
page-device-sleeps = Sleeps to spare its battery: it answers when it wakes.
page-device-settings = Settings of the device
page-device-diagnostics = How the device fares
page-device-facts = About the device
page-device-own-name = Calls itself
page-device-model = Model
page-device-via = Speaks through
page-device-heard = Last heard
page-device-battery = Power supply
page-device-id = Identifier
page-device-edit = Name and room
page-device-forget = Forget the device
page-device-forget-text = The house forgets the name, the room and the access of the device, and the broker what it retains of it. A device that speaks again is found again.
page-device-forget-history = Forget everything that it said, too
page-device-forget-leave = Ask its bridge to let it go
page-device-forget-do = Forget
page-command-sent = told, waiting for the device's word
page-command-confirmed = confirmed by the device
page-command-timed-out = the device did not answer in time
page-command-refused = could not be told
page-command-superseded = replaced by the next command
page-command-unconfirmable = told; this device never answers
page-command-not-given = The command was not given: { $why }
page-command-accept-again = The command was not given: the device now wants to be spoken to elsewhere, { $topic }. Until you confirm that, the house says nothing dangerous there.
page-command-too-many = The command was not given: too many commands still wait for their answer. Wait a little and try again.
page-device-moved = The device takes its commands elsewhere now
page-device-moved-text = That happens when it was set up anew or renamed. If you did that, accept it again, and the house will speak to it at { $topic }. If not, press nothing: somebody may pretend to be it.
page-device-accept-again = Accept it again
page-contest-lead = Somebody else speaks of this device. The house does not believe them, and all is as it was:
page-contest-somebody = Somebody unknown
page-contest-link = Somebody through your earlier broker
page-contest-cloud = A maker's cloud
page-contest-access = Somebody with the access “{ $name }”
page-contest-device = { $who } claims to be it, too. If the device is connected like that now, remove it from the home, and it is found again.
page-contest-topic = { $who } wants to speak at { $topic }, which is another device's place. Give one of them another name.
page-contest-not-allowed = { $who } names { $topic }, to which it has no right.
page-contest-foreign = { $who } wants to take commands at { $topic }, where other devices take theirs.
page-contest-quota = { $who } tells more of itself than it may. What is beyond is left out.
page-inbox-lead = The house has heard these devices, and nobody has said yet that they are yours. Until then they are told nothing.
page-inbox-none = Nobody waits.
page-inbox-accept = Accept
page-inbox-ignore = Not ours
page-rooms-none = There are no rooms yet.
page-rooms-devices = { $count ->
    [one] { $count } device
   *[other] { $count } devices
}
page-room-name = Name of the room
page-room-name-wrong = A room has a name: up to 64 characters, on one line.
page-room-name-taken = There is such a room already.
page-room-up = Up
page-room-down = Down
page-room-remove = Remove
page-room-add = A new room
page-room-add-do = Add
page-connect-step-what = What it is
page-connect-step-access = Access
page-connect-step-check = Check
page-connect-code = By QR code
page-connect-photo = A photo of the code
page-connect-photo-do = Read it
page-connect-photo-missing = Choose a photo of the code.
page-connect-photo-wrong = There is no code of a device in the photo. Take it straight and nearer, with good light.
page-connect-code-text = Text of the code
page-connect-code-hint = Begins with domovoi://device
page-connect-code-foreign = This is the code of something else. A device's code begins with domovoi://device
page-connect-code-version = The code is newer than this home can read (version { $version }). Update the home.
page-connect-code-damaged = The code was not read whole: photograph it again. ({ $why })
page-connect-code-refused = A device cannot be connected with such a code. ({ $why })
page-connect-conflict = It could not be connected. ({ $why })
page-connect-number-wrong = The number or the token does not fit: a number has at least 6 digits and letters, a token at least 22, as on the sticker.
page-connect-mac-wrong = This is no hardware address: it has twelve digits 0–9 and letters A–F, like 5C:CF:7F:A1:B2:D1.
page-connect-node-wrong = Such a name does not fit: it takes Latin letters, digits and hyphens, and no common word like config or status.
page-connect-do = Connect
page-connect-by-number = Type number and token
page-connect-found = Heard already
page-connect-types = By name
page-connect-search = Brand, model or what it is
page-connect-search-do = Find
page-connect-no-type = The catalogue has none like that. Take «Another device» of the fitting kind.
page-connect-mac = Hardware address (MAC)
page-connect-mac-hint = Twelve digits 0–9 and A–F on the case or on the device's page. By it the device gets its own topics only.
page-connect-node = Name in the network
page-connect-node-hint = Latin letters, digits and hyphens, as in the device's settings. The device's topics begin with it.
page-connect-serial = Serial number
page-connect-token = Token
page-connect-token-hint = Printed beside the code, at least 22 characters.
page-connect-bridge = Bridge
page-connect-no-bridge = The house has heard no bridge yet. Connect the bridge first, then the devices behind it.
page-connect-bridge-do = Connect a Zigbee bridge
page-connect-open-bridge = Open the bridge and look
page-connect-listen = Look for it
page-connect-maker = Let the house enter the access
page-connect-maker-text = The house opens the device's own page and writes the access there. It does not keep that page's name and password.
page-connect-address = Address of the device
page-connect-address-hint = As numbers, for example 192.168.1.20
page-connect-address-wrong = This is no address of a device: numbers are wanted, for example 192.168.1.20.
page-connect-maker-user = Name for the device's page
page-connect-maker-password = Password of the device's page
page-connect-confirm = Yes, this is it
page-connect-open-device = Open the device
page-connect-cancel = Give up
page-access = Access for the device
page-access-once = Enter this into the device now: the password is shown once. With it the device speaks on its own topics only.
page-access-host = Address of the broker
page-access-port = Port
page-access-tls = or { $port } with TLS
page-access-user = User name
page-access-password = Password
page-access-publish = Speaks on
page-access-subscribe = Hears
page-access-check = Check the connection
page-progress-handing-over = The house gives the device its access…
page-progress-not-handed-over = The access could not be given: { $why }
page-progress-waiting = Waiting for the device. Was the access entered? Is the device in the same network?
page-progress-joining = The bridge lets new devices in for some minutes. Do with the device what is said below.
page-progress-listening = Listening. Nobody like that was heard yet.
page-progress-wrong-password = The device came with a wrong password. Enter the password once more.
page-progress-connected = The device is connected, and has said nothing yet.
page-progress-gone = The device came and went. If it is starting anew, wait.
page-progress-outside = The device speaks on a topic that is not its own: { $topic }. Mend the topic in its settings.
page-progress-not-understood = The device speaks, and nothing of it tells what it is: { $topic }. Switch its discovery on.
page-progress-found = Found. Is this it?
page-progress-done = The device is connected.
page-progress-expired = The device was not heard in time; its access was taken back.
page-progress-cancelled = Given up; the access was taken back.
page-kind-leak = Water leaks
page-kind-smoke = Smoke
page-kind-gas = Gas
page-kind-valve = Valves
page-kind-siren = Sirens
page-kind-plug = Plugs and relays
page-kind-lamp = Light
page-kind-climate = Temperature and humidity
page-kind-heating = Heating
page-kind-contact = Doors and windows
page-kind-motion = Motion
page-kind-button = Buttons
page-kind-cover = Covers and gates
page-kind-lock = Locks
page-kind-meter = Meters
page-kind-board = Boards and others
page-kind-bridge = Bridges
page-value-leak = Water!
page-value-dry = Dry
page-value-alarm = Alarm!
page-value-calm = Calm
page-value-open = Open
page-value-closed = Closed
page-value-motion = Motion
page-value-still = Nobody
page-value-locked = Locked
page-value-unlocked = Unlocked
page-value-low = Low
page-value-fine = Fine
page-value-on = On
page-value-off = Off
page-value-yes = Yes
page-value-no = No
page-presets = Fits this device
page-preset-which = Which one
page-preset-add = Add the rule
page-preset-unfit = This rule does not fit now: choose what to close or cut.
page-preset-leak-closes = Close a valve when there is a leak here
page-preset-gas-closes = Close a valve when there is gas here
page-preset-smoke-cuts = Cut a device when there is smoke here
page-preset-frost-tells = Tell when it gets colder than 5 °C here
page-preset-closed-by-leaks = Close this at any leak of the home
page-preset-cut-by-smoke = Cut this when there is smoke in the home
page-alarms-more = { $count ->
    [one] And one danger more.
   *[other] And { $count } dangers more.
}
page-alarms-unconfirmed = Not confirmed yet, close or switch it off by hand if that is safe: { $names }
page-danger-gas = Gas
page-danger-carbon-monoxide = Carbon monoxide
page-danger-smoke = Smoke
page-danger-water-leak = Water leak
page-danger-freezing = Freezing
page-danger-silence = A sensor is silent
page-safety-set = { $device }: { $value }
page-safety-whole-home = the whole home
page-safety-in-room = by the sensors of: { $room }
page-safety-by = by: { $names }
page-safety-below = at { $degrees } °C and below
page-safety-valves = close the valves: { $room }
page-safety-sirens = sound the sirens: { $room }
page-safety-tells = tell the people
page-safety-calm = No sensor tells of a danger.
page-safety-hushed = hushed
page-safety-unaccepted = Nobody has accepted the sensor yet, so nothing was closed.
page-safety-remembered = Known from before the restart; the sensor is being asked.
page-safety-setting = What was done
page-safety-confirmed = confirmed by the device
page-safety-tries = { $tries ->
    [one] told once, waiting
   *[other] told { $tries } times, waiting
}
page-safety-test = test
page-safety-hush = Silence the sirens
page-safety-hush-text = Sirens fall silent. What has not confirmed that it is closed is closed all the same. What has confirmed, and is opened by hand later, the house does not close again.
page-safety-counts = Sensors: { $sensors }, valves: { $valves }, sirens: { $sirens }.
page-safety-no-sensors = No sensor of dangers was accepted yet.
page-safety-tests = Tests
page-safety-no-tests = No rule was tested yet.
page-safety-rules = Rules
page-safety-lead = This the house does by itself, without the internet and without waiting for people.
page-safety-off = off
page-safety-switch-off = Switch off
page-safety-switch-on = Switch on
page-safety-remove = Remove
page-test-do = Test in words
page-test-do-earnest = Test in earnest
page-test-earnest = in earnest
page-test-words = in words
page-test-nothing = Nothing would be closed or sounded: people are told, and that is all.
page-test-would = would be done
page-test-said = { $tries ->
    [one] told once
   *[other] told { $tries } times
}
page-test-not-said = not told: { $why }
page-test-confirmed = confirmed by the device

## What is called what devices say, where they do not say so themselves: property-<name or class>, value-<word>.
property-state = State
property-power = Power
property-switch = Switch
property-light = Light
property-brightness = Brightness
property-color-temp = White shade
property-color-xy = Colour
property-color-hs = Colour
property-color = Colour
property-water-leak = Water leak
property-moisture = Moisture
property-smoke = Smoke
property-gas = Gas
property-carbon-monoxide = Carbon monoxide
property-temperature = Temperature
property-humidity = Humidity
property-pressure = Pressure
property-battery = Battery
property-battery-low = Battery
property-voltage = Voltage
property-current = Current
property-energy = Energy
property-illuminance = Illuminance
property-contact = Contact
property-occupancy = Occupancy
property-motion = Motion
property-action = Action
property-position = Position
property-valve = Valve
property-siren = Siren
property-lock = Lock
property-linkquality = Link quality
property-tamper = Tamper
property-total-m3 = Total
property-flow = Flow
property-co2 = CO₂
property-local-temperature = Local temperature
property-occupied-heating-setpoint = Heating setpoint
property-running-state = Now
property-color-mode = Kind of light
property-system-mode = Mode
property-effect = Effect
property-cover = Cover
property-signal-strength = Signal strength
value-open = Open
value-opening = Opening
value-close = Closed
value-closed = Closed
value-closing = Closing
value-stop = Stop
value-off = Off
value-on = On
value-heat = Heating
value-auto = Automatic
value-idle = Idle
value-lock = Locked
value-unlock = Unlocked
value-locked = Locked
value-unlocked = Unlocked

## Cameras: how many days of recordings will be held, and why not more.
camera-holds-unknown = How many days will be held is known after an hour of recording.
camera-holds-days = { $promised ->
    [one] Recordings are held for { $promised } day, as you wish.
   *[other] Recordings are held for { $promised } days, as you wish.
}
camera-holds-quota = { $days ->
    [one] About { $days } day will be held of the { $promised } you wish: the camera's share of the disk is too small for more. Give it more, or record less.
   *[other] About { $days } days will be held of the { $promised } you wish: the camera's share of the disk is too small for more. Give it more, or record less.
}
camera-holds-quota-hours = { $hours ->
    [one] About { $hours } hour will be held, not the { $promised } days you wish: the camera's share of the disk is too small for more. Give it more, or record less.
   *[other] About { $hours } hours will be held, not the { $promised } days you wish: the camera's share of the disk is too small for more. Give it more, or record less.
}
camera-holds-disk = { $days ->
    [one] About { $days } day will be held of the { $promised } you wish: the disk, which all cameras share, is too small for more. Use a larger one, or record less.
   *[other] About { $days } days will be held of the { $promised } you wish: the disk, which all cameras share, is too small for more. Use a larger one, or record less.
}
camera-holds-disk-hours = { $hours ->
    [one] About { $hours } hour will be held, not the { $promised } days you wish: the disk, which all cameras share, is too small for more. Use a larger one, or record less.
   *[other] About { $hours } hours will be held, not the { $promised } days you wish: the disk, which all cameras share, is too small for more. Use a larger one, or record less.
}

# What is wrong with a plan of the week. $number: of the span, from 1.
camera-plan-too-many = A plan has at most { $most } spans.
camera-plan-empty = Say at least one span of the week, or choose another way to record.
camera-plan-needless = A camera that is recorded always or never has no spans.
camera-plan-no-day = Span { $number } is on no day of the week.
camera-plan-no-time = Span { $number } has a time that no day has.
page-known-title = Do you know about this?
page-known-lead = Press the button, and the house stops reminding you and wakes nobody else.
page-known-do = I know
page-known-done = Written down: you know.
page-known-home = To the front page
page-known-token = The code of the letter
page-known-token-hint = If it is not here by itself: what stands after # in the link.
page-alert-known = Known to { $name }
page-alert-drill = exercise
page-alert-steps = What to do
page-alert-why = Why it concerns you
page-alert-sender = Who says so
page-alert-official = Official page
