# Signing in: rules of passwords (rule-<code>), factors, errors. Keys and variables as in ru; a test compares them.

# Rules for passwords and PINs. The codes come from hub/src/signin/factors; $number is how many characters or digits are wanted.
rule-short = At least { $number } characters: a few words with spaces will do
rule-long = At most { $number } characters
rule-common = This is among the first that anybody tries: a favourite word, a row of keys, or these with digits
rule-guessable = This is easy to guess: add words that have nothing to do with one another
rule-about-you = There is hardly anything in it but your name, phone, e-mail or the home's name
rule-digits = Exactly { $number } digits
rule-repeated = The digits repeat
rule-sequence = The digits follow one another
rule-year = This looks like a year
rule-date = This looks like a date, and your birthday is no secret
rule-keypad = This is a pattern on the keys

# Errors. A stranger hears the same, whether such a login exists or not.
signin-wrong = That is not right. Check the login and what you gave with it: the password, code or PIN.
signin-expired = This took too long, or was done already. Begin again.
signin-weak = This is too easy to guess. What to mend is written beside it.
signin-store = It could not be written down. Try again; if it happens again, look into the hub's log.
signin-throttled-seconds = Too many tries in a row. Wait { $number ->
    [one] { $number } second
   *[other] { $number } seconds
}.
signin-throttled-minutes = Too many tries in a row. Wait { $number ->
    [one] { $number } minute
   *[other] { $number } minutes
}, or sign in another way.
signin-throttled-hours = Too many tries in a row. Wait { $number ->
    [one] { $number } hour
   *[other] { $number } hours
}, or sign in another way.
signin-no-such-person = There is no such person here.
signin-no-such-session = There is no such session: it has ended.
signin-no-such-factor = There is no such way to sign in.
signin-no-such-passkey = This person has no passkeys.
signin-no-such-token = There is no such token: it has ended.
signin-no-such-certificate = There is no such certificate: it has ended.
signin-no-such-pairing = There is no such code, or its five minutes are over. Show a new code on the new device.
signin-why-clock = The hub does not know the time yet and cannot check an app's code. Take a recovery code or a passkey, or wait until the hub has a network.
signin-why-has-owner = This home has an owner already. Sign in, or print a link on the hub itself.
signin-why-no-login = Without a phone number, an e-mail address or a login name nobody could sign in later. Give one of them.
signin-why-last-way-in = This is the last way to sign in. Add another one first.
signin-why-short-password = The password is short and does not guard the way in alone. Set one of at least 15 characters first, or add another second factor.
signin-why-pin-locked = After wrong tries the PIN is not taken on this tablet. Sign in with the password once on any device of yours, or set a new PIN.
signin-why-no-pin = Set the PIN on a page where you signed in yourself, not on the tablet.
signin-why-too-many = There may be no more of these. Remove one that is not needed first.
signin-why-others-account = This account of the portal is tied to another person here.
signin-why-others-certificate = This certificate is tied already.
signin-why-days = A token is issued for 1 to 365 days.
signin-why-over = This certificate has ended already.
signin-why-no-clock = The hub does not know the time yet and can issue nothing that ends at a time. Wait until the hub has a network.
signin-why-services = Programs do not sign in to the page. Issue a token for it.
signin-why-pairings = Too many devices are being paired now. Wait five minutes.
signin-why-label = A name has 1 to 100 characters, on one line.
signin-why-keep = It could not be written down. The hub's log says more.

# Ways to sign in.
factor-passkey = Passkey
factor-password = Password
factor-totp = Code of an app
factor-recovery = Recovery codes
factor-pin = PIN for the tablet on the wall
factor-portal = Portal account

# What a person hears about their own account, by mail or message. Subjects name nobody: a locked screen shows them.
signin-news-code-subject = Sign-in code: { $home }
signin-news-code-text = { $code } is the code to sign in to “{ $home }”. It is good for 10 minutes. Tell it to nobody. If you are not signing in, there is nothing to do.
signin-news-new-device-subject = Signed in on a new device: { $home }
signin-news-new-device-text = { $person }, somebody signed in to “{ $home }” as you on a device not seen before: { $device }. If it was not you, end that session on the page “Security” and change the password.
signin-news-recovered-subject = Signed in by a one-time link: { $home }
signin-news-recovered-text = { $person }, somebody signed in to “{ $home }” as you by a one-time link. All other devices are signed out. If you did not ask for it, talk to whoever looks after the hub.
signin-news-recovery-used-subject = A recovery code was used: { $home }
signin-news-recovery-used-text = { $person }, a recovery code of yours was used in “{ $home }”. Left: { $left }. If it was not you, change the password and make new codes.
signin-news-factor-added-subject = A new way to sign in: { $home }
signin-news-factor-added-text = { $person }, a way to sign in to “{ $home }” as you was added or changed. If it was not you, remove it on the page “Security” and change the password.
signin-news-factor-removed-subject = A way to sign in was removed: { $home }
signin-news-factor-removed-text = { $person }, one of your ways to sign in to “{ $home }” was removed. If it was not you, sign in and change the password.
signin-news-passkey-copied-subject = A passkey was refused: { $home }
signin-news-passkey-copied-text = { $person }, a passkey of yours that looks like a copy was shown in “{ $home }”. It was not let in. Remove that passkey on the page “Security” and make a new one.
signin-news-attacked-subject = Somebody guesses at your password: { $home }
signin-news-attacked-text = { $person }, a wrong password or code was given as you in “{ $home }” many times in a row from devices of others. It is not taken from unknown devices any more until you sign in yourself: with a passkey, or where you signed in before.

# Signing in with the portal account.
portal-account-title = Portal account
portal-account-lead = The portal opens next. Sign in there with your own account; after that it opens the door here, too.
portal-account-go = Go to the portal
portal-account-back = Go back and change nothing
portal-account-tie = Tie a portal account
portal-account-tie-what = You can then sign in without the home's password. The portal learns only that you sign in; it gains no rights to your readings.
portal-account-unknown = This portal account is not tied to anybody here. Sign in another way and tie it on the page “Sign-in and security”.
portal-account-denied = You declined at the portal. Sign in another way, or try again.
portal-account-again = This sign-in was begun long ago or in another window. Begin again.
portal-account-unreachable = The portal does not answer. Sign in another way, or try later.
portal-account-clock = The home's clock is not set yet, so the portal's word cannot be checked. Sign in another way.
portal-account-not-offered = This portal cannot say who you are. Sign in another way.
portal-account-refused = The portal's answer did not pass the checks, so it opens nothing. Sign in another way.
