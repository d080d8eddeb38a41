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
page-source-person = { $name }
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
