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
