# What the hub says to people. Fluent (projectfluent.org); the same keys and variables as in ru.ftl, a test compares them.
# $supplier, $account, $point: names the household gave. $period: a month. $date: a day. $value with $unit: a register.

# What the hub tells the household; the parameters are those of the notice.
notice-clock-untrusted = The clock cannot be true: readings are kept, but no act is signed. Wait for the time from the network.
notice-supplier-unknown = { $account }: the supplier “{ $supplier }” is not in the settings. Add a [[supplier]] with this id.
notice-reading-missing = { $point }: the reading cannot go into the act: { $problem }.
notice-read-meter = Please read the meter: { $point } ({ $account }). Readings are taken until { $until }.
notice-not-confirmed = { $account }: the readings for { $period } are not confirmed yet (now: { $state }). They are taken until { $until }.
notice-window-missed = { $account }: the window for { $period } ended on { $ended } without a confirmation (now: { $state }). The act is kept.
notice-journal-damaged = A row of the journal is damaged and was passed over: { $what }.
notice-disk-nearly-full = The disk is nearly full ({ $free } MB left): only meters and alarms are recorded. Make room, or allow history less of it in the settings.
notice-disk-full = The disk is full: nothing is recorded. Valves and sirens work all the same. Make room; recording goes on by itself.
notice-disk-failing = The disk fails: { $why }. What devices say is not acknowledged and comes again when the disk is back. Back up and replace it.
notice-broker-log-damaged = The broker's log was not read whole (damaged pieces: { $pieces }): some subscriptions, queues and retained messages may be gone. Restart Zigbee2MQTT and other bridges: whoever subscribes anew gets everything. Check the disk: domovoi doctor --verify.
notice-camera-keeps-less-quota = { $camera }: about { $hours } h of recordings will be held, and not { $promised } days: its share of the disk is too small. Give it more, or record less.
notice-camera-keeps-less-disk = { $camera }: about { $hours } h of recordings will be held, and not { $promised } days: the disk, which all cameras share, is too small. Use a larger one, or record less.
notice-camera-paused-quota = { $camera } is not recorded: its share of the disk has no room for one file. Give it more.
notice-camera-paused-disk = { $camera } is not recorded: the archive's disk is full, and there are no recordings left to delete. Make room; recording goes on by itself.
notice-camera-offline = { $camera } does not answer: { $why ->
    [unauthorized] its name or password no longer fits. Type them again.
    [not-found] it has no such stream any more. Check the address.
    [busy] all its places are taken. Close other programs that watch it.
    [certificate-changed] it has another certificate. Look at it in the camera's settings, and accept it if you changed it yourself.
    [certificate-unknown] its certificate has not been accepted yet. Check the camera in its settings.
    [refused-address] no camera may be where it is. Check the address, and «allow» in the settings.
    [too-much] it sends more than a camera has to. Check its settings, and whether it is a camera.
    [no-video] it offers no video. Check the address.
    [unsupported] its video is not understood. Choose H.264 or H.265 in its settings.
    [no-key-frame] it sends no key frames. Choose one every 1 to 4 seconds in its settings.
   *[other] there is no connection. Check power and network; the hub tries by itself.
}
notice-camera-back = { $camera } is back.
notice-camera-certificate = { $camera } has another certificate, and was not sent the password. The new one: { $fingerprint }. If you changed it yourself, accept it in the camera's settings; if not, another device may stand in its place.
notice-camera-clock = { $camera }: its clock is off by { $minutes } min. Recordings are dated by the hub's clock, but the time within the picture is wrong: switch on network time in the camera.
notice-camera-firmware-old = { $camera }: its firmware is of { $date }. Old firmware has holes that are known: update it from its maker; if there are no updates any more, keep the camera in a network of its own.
notice-camera-certificate-ends = { $camera }: its certificate counts until { $date }. Make a new one in the camera, and accept it in its settings.
notice-camera-moved = { $camera } has moved: it was at { $before } and is at { $after } now. The hub found it by itself. To keep the address, fix it in the router.
notice-camera-may-be = { $camera } does not answer, and at { $at } there is something like it. The hub cannot tell whether it is, and sends no password there. If it is, give that address in its settings.
notice-camera-behind = { $camera }: the archive's disk is too slow ({ $seconds } s behind), and the recording was interrupted. Use a disk that is faster than a card, or record less.
notice-camera-damaged = { $camera }: the recording of { $at } is not as it was written ({ $what ->
    [missing] its file is not there
    [removed] the recording before it was removed, and not by the hub
    [removed-newest] the newest recording was removed, and not by the hub
    [not-recovered] it could not be recovered after a crash
    [altered] in its store it has another length
    [not-durable] the disk did not confirm it
   *[other] { $what }
}). Check the disk and who has access to it; the camera's page shows how its recordings stand.
notice-camera-archive-absent = The disk of the cameras' archive is not there: it is not in { $folder }. Nothing is recorded, so that the system's disk does not fill. Plug the disk in, recording goes on by itself.
notice-camera-archive-other = In { $folder } lies another archive, not this home's. Plug in the disk of before, or accept this one in the cameras' settings.
notice-camera-archive-failing = The disk of the cameras' archive fails: { $why }. Check and replace it; what can still be read of it is on the cameras' page.
notice-camera-files-set-aside = Files in the cameras' archive that the hub cannot explain: { $files }. They are in the archive's folder lost+found; nothing was deleted.
notice-camera-place-failing = Recordings are not sent to «{ $place }» ({ $why }). They wait here as long as there is room; check the store, its key and its clock.
notice-camera-place-strangers = In «{ $place }» there are recordings of this home's cameras that the hub does not know ({ $count }). That is so after the hub was put back from an old backup. The hub does not delete them: it cannot play them, and you may delete them in the store itself.
notice-portal-differs = The portal holds other bytes under the act for { $period }. The act does not count as received. Id: { $act }.
notice-reading-rejected = The portal rejected the reading of meter { $serial } for { $period }: { $why }.
notice-photo-refused = The portal did not take the photo for the act of { $period }: { $why }. The readings stand.
notice-window-closed = The portal does not take readings for { $period } now. It opens: { $opens }. The hub will send the act by itself.
notice-act-refused = The portal refused the act for { $period }: { $code } { $detail }. Mend the cause and run domovoi act correct { $act }.
notice-relink-needed = The portal no longer accepts the link with this hub. Nothing is lost: the acts wait. Run domovoi portal link.
notice-not-linked = There are acts to send, but the hub is not linked with the portal. Run domovoi portal link.
notice-account-pending = The account at the portal awaits confirmation. Confirm it there; the hub looks again by itself.
notice-account-blocked = The account is blocked at the portal. Ask the portal's support.
notice-history-damaged = A row of history does not open and was set aside: { $what }. Everything else is read; run domovoi doctor --verify.
notice-ledger-damaged = The past of a register does not open: { $what }. Its new readings do not count; run domovoi doctor --verify.
notice-left-out = { $point }: its reading is not in the signed act. Once there is one, add it: domovoi act correct { $act }.
notice-key-refused = The portal did not take the hub's key for acts: { $why }. The acts wait.
notice-scope-missing = The portal does not allow the hub to hand in readings. Run domovoi portal unlink and domovoi portal link, and allow it.
notice-certificate-unusable = Your own certificate cannot be used: { $what }. The hub's own one is shown for now.
notice-certificate-ending = The page's certificate ends on { $until } and will not renew itself. Replace the files, or see who renews them.
notice-certificate-not-renewed = The authority gave no certificate: { $why }. The present one is good until: { $until }. The hub will try again.
notice-certificate-authority-new = The hub has a new root certificate. Each device has to be told to trust it anew. Fingerprint: { $fingerprint }
notice-devices-damaged = Cards of devices do not open: { $count }. These devices do not count as accepted any more: nobody closes such a valve, and such a sensor wakes nobody. Look at the inbox and accept them again; check the disk: domovoi doctor --verify.
notice-credentials-damaged = Credentials for the broker do not open: { $count }. Devices that have them cannot come in. Issue them anew: domovoi mqtt remove and domovoi mqtt add; check the disk: domovoi doctor --verify.
notice-credential-ending = The certificate of “{ $name }” for the broker ends on { $until }: from then on the home does not hear that device. Issue a new one before.
notice-credential-ended = The certificate of “{ $name }” for the broker ended on { $until }: the home does not hear that device. Issue a new one.

# How an act stands.
state-draft = a draft
state-checked = waits for approval
state-approved = signed
state-sent = sent
state-refused = refused
state-none = no act yet

# What the ledger noticed.
finding-glitch-to-zero = The device said zero, though the register stood far from it; it may have restarted.
finding-rollover = The register passed its highest value and began anew.
finding-decreased = The value is lower than the last accepted one, and the register did not pass its highest value.
finding-implausible-jump = This is more than can plausibly have been used since the last reading.
finding-gap = There were no values for { $hours } hours; when in this time the consumption fell is unknown.
finding-negative = A register cannot be below zero.
finding-too-many-digits = The value has more digits than the face of the meter.
finding-device-complaint = The device itself complains: “{ $complaint }”.
finding-swap-suspected = It looks as if a different meter hangs there. If so, enter the swap.
finding-wrong-unit = The unit of the value does not fit what is measured.
finding-confirmed-by-person = A person looked and confirmed the value.
finding-swapped = The value is carried over from the replaced meter.
notice-sign-in-attacked = A wrong password or code was given as “{ $person }” many times in a row from devices of others. It is not taken from unknown devices until the person signs in.
# What the reflex says. $sensor and $device are names, $danger a code, $value what was said.
# $closing: what the house does by itself; $count: to how many valves and plugs that is said.
notice-danger-gas = GAS: { $sensor }. { $closing ->
    [closing] The house is closing by itself (commands: { $count }).
    [asked] It was so before a restart; unless the sensor denies it, the house closes by itself in ten seconds (commands: { $count }).
    [before] It was so before a restart; everything that the house can close had confirmed then that it is closed.
    [replayed] It is an old message of the broker, and nobody knows when it was said: NOTHING is closed because of it.
   *[nobody] The house closes NOTHING by itself: close the tap by hand.
} Open windows, switch nothing electric, leave the home, call 104.
notice-danger-carbon-monoxide = CARBON MONOXIDE: { $sensor }. Leave the home at once, call 112.
notice-danger-smoke = SMOKE: { $sensor }. If there is fire, leave the home, call 101.
notice-danger-water-leak = WATER LEAK: { $sensor }. { $closing ->
    [closing] The house is closing by itself (commands: { $count }).
    [asked] It was so before a restart; unless the sensor denies it, the house closes by itself in ten seconds (commands: { $count }).
    [before] It was so before a restart; everything that the house can close had confirmed then that it is closed.
    [replayed] It is an old message of the broker, and nobody knows when it was said: NOTHING is closed because of it. Go and look.
   *[nobody] The house closes NOTHING by itself: close the tap by hand.
}
notice-danger-freezing = COLD: { $sensor } shows { $value }. Pipes can freeze.
notice-danger-silence = A safety sensor is silent: { $sensor }. Check its battery and where it is; until it speaks, it warns of nothing.
notice-danger-unaccepted = An alarm from a device that nobody has accepted: { $sensor } ({ $danger ->
    [gas] gas
    [carbon-monoxide] carbon monoxide
    [smoke] smoke
   *[water-leak] water leak
}). Nothing was closed. Look, and accept the device if it is yours.
# $why: said: the sensor says so; ran-out: it says nothing more; taken-away: it is gone.
notice-danger-over = { $sensor } { $why ->
    [ran-out] does not warn any more; it never says that it is over, so go and look
    [taken-away] is no device of this home any more, and its alarm is gone with it, so go and look
   *[said] says that it is over
}: { $danger ->
    [gas] gas
    [carbon-monoxide] carbon monoxide
    [smoke] smoke
   *[water-leak] water leak
}. What was closed stays closed: open it yourself when everything is in order.
notice-device-unanswered = { $device } does not answer in danger. It is told again and again; go and close it by hand.
notice-device-undone = { $device } had confirmed what it was told in danger, and says otherwise now. It is told again; look whether somebody holds it open.
notice-device-left = { $device } has never confirmed that it is closed, and the danger is over. It is told nothing more: check it by hand.
notice-device-accept-again = { $device } cannot be told anything in danger: { $why }. Close it by hand, then look whether it is yours, and accept it again.
notice-device-not-told = { $device } cannot be told anything in danger: { $why }. Go and close it by hand.
notice-safety-rule-mute = The rule «{ $name }» names a device or a room that is not there any more. See domovoi safety show, and change it.
notice-safety-device-undescribed = { $name } was there for danger, and nobody says any more what it is. Look at its bridge; until then it warns of nothing.
notice-safety-siren-unsilenced = { $name } knows no word by which a siren falls silent: once it sounds in danger, the hub cannot silence it. It has to be switched off at the siren itself.
notice-safety-accept-again = { $name } takes commands elsewhere than when it was accepted: in danger the hub will say nothing to it. Look whether it is yours, and accept it again.
notice-safety-rules-unreadable = Rules for danger cannot be read; the built-in ones count. See domovoi safety show, and add yours again.
# What the house was opened without: $part is a code, $why what the program said.
notice-opened-without = { $part ->
    [people] The records of some people cannot be read; their rights do not count
    [metering] Metering stands still: some of what it keeps cannot be read. Readings are recorded and will be counted later
    [portal] The link to the portal is not open
    [messages] Mail and messages are not sent
    [mappings] Your own mappings of MQTT devices and the keys of meters cannot be read
   *[external-broker] The home's own broker cannot be joined
}: { $why }. Valves and sirens work. Look with domovoi doctor --verify, then start again.

# What devices want of people. $name is a name, $what the words of the device.
notice-device-warns-battery = “{ $name }”: its battery is running down ({ $what }). Replace it.
notice-device-warns-tamper = “{ $name }”: somebody opened it, moved it or brought a magnet near ({ $what }). Look at it.
notice-device-warns-fault = “{ $name }” says that something is wrong with it: { $what }.
notice-device-warns-overload = “{ $name }”: overload or too hot ({ $what }). Take the load off.
notice-device-warns-leak = “{ $name }”: water behind the meter never rests, which looks like a leak ({ $what }). Check taps, cistern and pipes.
notice-device-warns-backflow = “{ $name }”: water or heat flows the wrong way ({ $what }).
notice-device-warns-burst = “{ $name }”: more flows than should, as if a pipe had burst ({ $what }). Shut the water off.
notice-device-warns-frost = “{ $name }”: it freezes ({ $what }).
notice-device-silent = “{ $name }” has been silent for more than { $count } { $span ->
    [minutes] min
   *[hours] h
}. Check its battery and its link.
notice-meter-silent = The meter “{ $name }” has been silent for more than { $count } { $span ->
    [minutes] min
   *[hours] h
}. Check its battery and the receiver: without it the readings have to be typed in.
notice-meter-key-missing = The meter “{ $name }” encrypts what it says: its key is wanted. Ask the supplier for it and enter it: “Keys of meters” or domovoi meter-key set { $meter }.
notice-meter-key-wrong = The meter “{ $name }”: the key does not fit. Check it and enter it again: “Keys of meters” or domovoi meter-key set { $meter }.
notice-meter-cipher-unknown = The meter “{ $name }” encrypts in a way that the home does not know. Receive it with wmbusmeters, which knows more ciphers.
notice-scenario-not-allowed = The scenario “{ $scenario }” was stopped: whoever saved it may not do what it does any more. Look at it, and save it anew if it is right.
notice-scenario-too-often = The scenario “{ $scenario }” begins more often than it may, and is held back. Look at its triggers, or at whether two scenarios cause each other.
notice-cloud-relink = The cloud «{ $cloud }» has to be linked again: { $why }
notice-cloud-away = The cloud «{ $cloud }» has not answered for over an hour: { $why } What its devices said is old; commands do not reach them.
notice-cloud-vanished = The device «{ $name }» is no longer in the cloud «{ $cloud }». It stays here until somebody forgets it.
notice-water-may-leak = { $point }: this looks like a leak. { $why ->
    [never_rests] Water has not stopped for { $hours } h; { $used } m³ went meanwhile.
    [nobody_home] Nobody has been at home for { $hours } h, and water flows on: { $used } m³ went.
   *[nights] Water flows every night from one to five: { $hours } nights in a row, { $used } m³ in the quietest of them.
 } Check the cistern, the taps and the hoses.
notice-use-unusual = { $point }: { $used } { $unit } were used on { $day }, where such a day usually takes { $usual } { $unit }.
notice-readings-stopped = { $point }: the meter has been silent for { $hours } h. Check its battery and its link; it can be read by hand too.
notice-flat-cold = { $room }: below { $norm } °C for { $hours } h (lowest: { $lowest } °C). What was recorded is on the page "Temperature at home".
