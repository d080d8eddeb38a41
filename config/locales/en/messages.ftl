# What the hub sends to people: codes, news about their own account. Keys and variables as in ru; a test compares them.
# message-<what> and message-<what>-subject. No code in a subject: a locked screen shows it. Texts with a code are short
# enough for a text message. $home is the home's name, $name the person's.

message-contact-code-subject = Confirm that this address is yours: { $home }
message-contact-code = { $home }: your confirmation code is { $code }, valid for 10 minutes.

message-contact-link-subject = Confirm that this address is yours: { $home }
message-contact-link =
    { $name }, somebody named this address in the home "{ $home }". If it was you, type the code { $code } or open:

    { $link }

    The code and the link are valid for 10 minutes. If it was not you, just delete this message.

message-locked-subject = Your devices are locked: { $home }
message-locked =
    { $name }, your devices in the home "{ $home }" are locked: every session has ended and nobody can sign in.
    The home's owner can unlock them.

message-invited-subject = You are invited to a home: { $home }
message-invited =
    { $name }, you were added to the home "{ $home }". To sign in for the first time, open:

    { $link }

    The link works once and is valid for a day.

# What a consent is for: purpose-<code, dots as dashes>.
purpose-portal-readings = Meter readings to the portal without asking each time
purpose-portal-messages = Messages of this home to the portal: readings accepted, alerts known, faults
purpose-portal-profile = Name and contacts to the portal
purpose-code-mail = Sign-in codes by e-mail
purpose-code-sms = Sign-in codes by text message

# Consent to hand in readings. $recipient is the portal's address, $home the home's name, $name who agrees.
consent-readings-what = account number, number and resource of the meter, readings with date and source, a photo of the meter where one is attached
consent-readings-text =
    I, { $name }, agree that the home "{ $home }" hands in meter readings to the portal { $recipient } in every
    submission window without asking each time. What is sent: { $what }.
    This holds until I withdraw it, on any day, on the Consents page or with the command domovoi portal consent off;
    from then on every submission waits for my decision. What was sent before stays with the portal.
