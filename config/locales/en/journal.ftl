# The journal: deed-<code, dots as dashes>, outcomes, roads. Keys and variables as in ru; a test compares them.

# A line of the journal. $who; $what was done, and to what; $why it was not.
journal-line-done = { $who }: { $what }
journal-line-refused = { $who }: { $what } — refused: { $why }
journal-line-failed = { $who }: { $what } — failed: { $why }
journal-line-times = { $line } ({ $times ->
    [one] once
   *[other] { $times } times
})
journal-deed-of-object = { $deed } — { $object }
journal-object-named = { $kind } “{ $name }”

# Who.
journal-who-nobody = Somebody unknown
journal-who-house = The house
journal-who-console = The hub's console
journal-who-credential = Credential “{ $name }”
journal-who-erased = A person who was erased

# By which way.
journal-road-page = page
journal-road-api = API
journal-road-console = command line
journal-road-mqtt = MQTT
journal-road-house = the hub itself

# How it ended.
journal-outcome-done = done
journal-outcome-refused = refused
journal-outcome-failed = failed

# What was done. A noun phrase: it fits “refused” and “failed” too.
deed-journal-unreadable = an entry of the journal that cannot be read
deed-history-exported = exporting the history of devices
deed-history-imported = importing history of devices
deed-device-accepted = accepting a device into the home
deed-device-connecting = connecting a device
deed-device-not-connected = giving up on connecting a device
deed-device-edited = changing a device
deed-device-forgotten = forgetting a device
deed-device-errand = an errand to a bridge of devices
deed-device-commanded = a command to a device
deed-safety-rule-added = a new rule for danger
deed-safety-rule-switched = switching a rule for danger
deed-safety-rule-removed = removing a rule for danger
deed-safety-rule-tested = trying out a rule for danger
deed-safety-hushed = hushing the alarm
deed-camera-added = adding a camera
deed-camera-changed = changing a camera
deed-camera-forgotten = removing a camera
deed-recordings-exported = taking recordings of a camera away
deed-recordings-erased = erasing recordings of a camera
deed-recordings-verified = verifying recordings of a camera
deed-danger-began = danger
deed-danger-remembered = a danger from before the restart, its sensor is asked
deed-danger-over = the danger is over
deed-reflex-said = a command in danger
deed-reflex-confirmed = the device's confirmation in danger
deed-reflex-undone = the device says otherwise again while the danger lasts
deed-room-added = a new room
deed-room-edited = changing a room
deed-room-removed = removing a room
deed-journal-exported = exporting the journal
deed-seen = looking
deed-session-opened = signing in
deed-session-ended = signing out
deed-session-named = naming a session
deed-sessions-ended = ending all sessions
deed-device-new = signing in from a new device
deed-code-sent = sending a one-time code
deed-person-added = a new person in the home
deed-person-edited = changing a person's record
deed-person-erased = erasing all of a person's data
deed-person-exported = exporting a person's data
deed-person-locked = locking a person out
deed-person-unlocked = letting a person in again
deed-contact-added = a new contact
deed-contact-removed = removing a contact
deed-contact-confirmed = confirming a contact
deed-contact-code-sent = a code to confirm a contact
deed-consent-given = consent to sending data
deed-consent-withdrawn = withdrawing consent
deed-factor-removed = removing a way to sign in
deed-password-set = setting a password
deed-passkey-added = a new passkey
deed-totp-added = an authenticator app
deed-pin-set = setting a PIN
deed-recovery-used = using a recovery code
deed-portal-account-added = tying a portal account
deed-token-issued = issuing a token
deed-token-ended = ending a token
deed-certificate-added = a new client certificate
deed-certificate-ended = ending a client certificate
deed-pairing-approved = pairing a device
deed-pairing-refused = refusing to pair a device
deed-meter-added = a new meter
deed-meter-replaced = replacing a meter
deed-meter-verified = recording a meter's verification
deed-reading-submitted = entering a reading
deed-reading-decided = deciding on a reading
deed-act-approved = approving an act
deed-act-corrected = correcting an act
deed-portal-linked = linking with the portal
deed-portal-unlinked = unlinking from the portal
deed-portal-linking-cancelled = cancelling the linking with the portal
deed-portal-consent = standing consent to sending acts
deed-credential-issued = issuing an MQTT credential
deed-credential-revoked = revoking an MQTT credential
deed-mqtt-commanded = telling a device something through the broker
deed-mqtt-connect = connecting to the broker
deed-mqtt-publish = publishing at the broker
deed-mqtt-subscribe = subscribing at the broker
deed-secret-set = setting a secret
deed-key-rotated = rotating the store's key
deed-notice-cleared = clearing a notice
deed-delegation-given = delegating a right
deed-delegation-withdrawn = withdrawing a delegated right
deed-grant-given = granting a right
deed-grant-withdrawn = withdrawing a right
deed-entry-link-made = a link to sign in
deed-recovery-codes-made = new recovery codes
deed-setup-link-made = a link for setting up
deed-recovery-link = a link to recover access
deed-invitation-used = signing in by an invitation
deed-recovery-entered = recovering access
deed-passkey-copied = signing in with a copied passkey
deed-session-proved = confirming who it is
deed-news-sent = a message about signing in
deed-home-set-up = setting up the home
deed-tablet-paired = pairing a wall tablet
deed-signed-out = signing out

# To what. The name follows.
journal-object-person = person
journal-object-rights = rights
journal-object-factor = way to sign in
journal-object-session = session
journal-object-token = token
journal-object-consent = consent
journal-object-contact = contact
journal-object-meter = meter
journal-object-act = act
journal-object-portal = portal
journal-object-notice = notice
journal-object-credential = credential
journal-object-topic = topic
journal-object-secret = secret
journal-object-device = device
journal-object-room = room
journal-object-camera = camera
journal-object-recording = recording
journal-object-journal = journal
journal-object-system = hub
journal-object-safety = rule for danger
journal-object-home = home

# Why not: codes of the policy's refusals and of the sign-in room.
journal-why-status = error { $status }
journal-why-wrong = wrong login, password or code
journal-why-throttled = too many tries
journal-why-too-late = the time was over
journal-why-weak = the password or PIN is too weak
journal-why-unknown = nobody known
journal-why-damaged = the row is damaged
journal-why-sign-in = signing in comes first
journal-why-locked = this person's devices are locked
journal-why-expired = the time is over
journal-why-role = no such right
journal-why-not-yours = it is somebody else's
journal-why-denied = this right was taken away
journal-why-hours = not at this hour
journal-why-home-only = only at home
journal-why-scope = the token does not allow it
journal-why-topic = this topic is not allowed
journal-why-over-limit = too many messages at once
journal-why-retained-command = a command is not kept for those who come later
journal-why-too-large = the message is too large
journal-why-not-said = it could not be told
journal-why-unanswered = the device does not answer
journal-why-stronger = a stronger sign-in is needed
journal-why-step-up = it has to be confirmed who it is
journal-why-copied = the key's counter went back: it seems to be copied
journal-why-undelivered = the message was not delivered
journal-why-refused = not possible now
journal-why-no-such = there is none
journal-why-people = it cannot be so
journal-why-store = the store did not answer
