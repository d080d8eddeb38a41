# Why the policy refused: refusal-<code>; roles, verbs, kinds of things. Keys and variables as in ru; a test compares them.
# $from and $to are hours and minutes.

# The reason, and what to do.
refusal-sign-in = Sign in first: the home does not know who you are.
refusal-locked = Your devices are locked. An owner of the home, or whoever holds the hub itself, can unlock them.
refusal-expired = Your time as a guest is over. An owner of the home can extend it.
refusal-role = You do not have this right. If you need it, ask an owner of the home: some rights can be given by name.
refusal-not-yours = This is somebody else's: only that person does it. For yourself you can do it on the “Security” page.
refusal-denied = This right was taken away from you by name. An owner of the home can give it back by lifting the ban.
refusal-hours = Not at this hour: you may do this from { $from } to { $to }. An owner of the home can change the hours.
refusal-home-only = This can be done from the home's own network only. Join the home's Wi-Fi, or ask an owner to allow it from elsewhere.
refusal-scope = The token does not allow this. Issue another with this right on the “Security” page of the person it belongs to.
refusal-topic = The MQTT credential does not name this topic. Issue another that names it: domovoi mqtt add.
refusal-stronger = This way of signing in is not enough here. Sign in with a passkey, or with a password and a code.
refusal-step-up = This is a dangerous thing to do: show once more that it is you, with a passkey, a password or a code.

# What a person is in the home.
role-owner = owner
role-adult = adult
role-child = child
role-guest = guest
role-service = program

# What is done.
verb-see = see
verb-command = command
verb-edit = change
verb-submit = hand in
verb-export = export

# Whose it is.
whose-own = one's own
whose-ward = children's and programs'
whose-any = everybody's

# What kind of thing.
kind-threshold = the threshold of the home
kind-home = the home
kind-room = rooms
kind-device = devices
kind-camera = cameras
kind-recording = recordings
kind-meter = meters and readings
kind-act = acts
kind-portal = the link to the portal
kind-person = people's records
kind-rights = rights
kind-factor = ways to sign in
kind-session = sessions
kind-token = tokens and certificates
kind-consent = consents
kind-journal = the journal
kind-notice = notices
kind-alert = alerts
kind-message = messages of the portal
kind-calendar = the calendar
kind-telling = notifications to a person
kind-scenario = the scenarios
kind-presence = who is at home
kind-cloud = makers' clouds
kind-credential = MQTT credentials
kind-topic = MQTT topics
kind-secret = secrets and keys
kind-system = the hub
kind-safety = what the house does in danger
