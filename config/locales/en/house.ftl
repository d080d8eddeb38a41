# What the house writes into the calendar by itself
diary-window = { $account }: readings are taken
diary-window-notes = Readings for { $period } are taken until { $last }, that day included.
diary-verification = Meter verification: { $point } (No. { $serial })
diary-verification-notes = After this day the supplier takes no readings of meter No. { $serial }: order a verification or a new meter.
diary-certificate = A certificate ends: { $name }
diary-certificate-notes = After this day the connection with “{ $name }” cannot be trusted: renew the certificate.
diary-bill = To be paid: { $account }, { $amount } RUB
diary-bill-notes = The bill for { $period }. To be paid by { $due }.
# What the house tells the portal
own-act-received = Readings for { $period } were accepted: { $account }, receipt { $receipt }
own-alert-known = Known at home: { $title }
own-fault = A fault at home: { $title }
# Messages of the portal
message-title-outage = An outage
message-title-meter = A message about a meter
message-title-money = A message about payment
message-title-security = A message about security
message-title-message = A message of the portal
