# Consumption, tariffs, the temperature at home.
insight-total = { $point }: { $total } { $unit } in all.
insight-compared = { $how ->
    [more] That is { $percent } % more than in the same time before: { $now } { $unit } against { $before } { $unit } (days that are over).
    [less] That is { $percent } % less than in the same time before: { $now } { $unit } against { $before } { $unit } (days that are over).
    [same] As much as in the same time before: { $before } { $unit } (days that are over).
   *[nothing] Nothing was used in the same time before; now { $now } { $unit } (days that are over).
 }
insight-forecast = The month will probably come to { $likely } { $unit } (from { $low } to { $high }). { $method ->
    [weekdays] Told by days of the week, from { $days } whole days.
   *[mean] Told by the mean day, from { $days } whole days.
 }
insight-forecast-early = No forecast yet: there are { $days } whole days with readings, and it takes { $wanted }.
insight-spread = Of it, { $amount } { $unit } were laid evenly on days without readings.
insight-unknown = Of it, { $amount } { $unit } were used nobody knows when: there were no readings.
insight-touches-unknown = A long time without readings reaches over the edge: more was used than is shown.
insight-leak = This looks like a leak. { $why ->
    [never_rests] Water has not stopped for { $hours } h; { $used } m³ went meanwhile.
    [nobody_home] Nobody has been at home for { $hours } h, and water flows on: { $used } m³ went.
   *[nights] Water flows every night from one to five: { $hours } nights in a row, { $used } m³ in the quietest of them.
 }
insight-unusual = Unusually much on { $day }: { $used } { $unit }, where such a day usually takes { $usual } { $unit } (compared with { $days } days).
insight-silent = The meter has been silent for { $hours } h.
insight-chart-title = { $point }: use
insight-chart-about = Bars: what was used from { $from } to { $to }, { $total } { $unit } in all. The same numbers are in the table below.
insight-cold = { $room }: colder than the norm ({ $norm } °C by day) for { $hours } h.
insight-cold-gaps = For { $hours } h more the thermometer was silent; nobody knows how it was then.
insight-cold-troubles = Some of what was recorded cannot be read: there may have been more.
insight-cold-own = These are the household's own records. A recalculation wants an inspection: call it while it is cold, and add these records.
insight-no-tariff = There is no such tariff
insight-no-place = There is no such place
insight-full = There may be at most { $most }
insight-span = Ask for 1 to { $most } days
insight-unreadable = "{ $text }" cannot be read
insight-norm-wrong = This cannot be a norm: 5 to 30 °C, at most 10 lower at night, a value holds 5 to 360 minutes
insight-wrong-name = Give it a name of 1 to 100 characters
insight-wrong-currency = A currency is three capital letters, as RUB
insight-wrong-no-version = There is no price at all
insight-wrong-many-versions = Prices change 40 times at the most
insight-wrong-same-day = Two beginnings on the same day
insight-wrong-no-step = There is no step with a price
insight-wrong-many-steps = There are 6 steps at the most
insight-wrong-steps-order = Steps rise, and the last has no limit
insight-wrong-prices = Each step has 1 to 4 prices, and all have the same number
insight-wrong-amount = Prices, limits and fees lie between 0 and a billion, with six decimals at the most
insight-wrong-many-points = There are 64 points at the most

page-use = Consumption
page-use-of = Consumption: { $point }
page-use-lead = What was used by days, months and years, what it costs, and what it looks like.
page-use-none = There are no meters yet.
page-use-by-day = By days
page-use-by-month = By months
page-use-by-year = By years
page-use-earlier = Earlier
page-use-later = Later
page-use-table = Use as a table
page-use-when = When
page-use-all = In all
page-use-before = Before
page-use-cost = Cost
page-use-notes = Notes
page-use-estimated = estimate
page-use-by-hand = from readings by hand
page-use-partly = not known for all of the time
page-use-hours = { $hours } hours
page-use-unknown-title = Used nobody knows when
page-use-unknown-line = { $zone }: { $amount } { $unit } from { $from } to { $to }
page-use-legend = In the picture
page-use-legend-text = Colours are the tariff zones T1, T2, T3 from below. Pale bars were laid on days without readings, hatched is used nobody knows when, light is the forecast, a line is the same place in the period before.
page-use-likely-cost = The month will probably cost { $money } ({ $tariff }).
page-use-month = Since the month began: { $total } { $unit }
page-use-today = today { $total } { $unit }
page-use-leak = looks like a leak
page-use-gaps = Do not lay on days what has no readings
page-use-gaps-spread = Lay on days what has no readings
page-bill = What the month comes to
page-bill-of = What it comes to: { $month }
page-bill-lead = By your own tariffs. It is no bill of a supplier.
page-bill-none = There are no tariffs to reckon by yet.
page-bill-used = Used
page-bill-fee = Fee per month
page-bill-sum = In all
page-bill-partly = not all is known
page-bill-unpriced = no price for { $amount } { $unit }

page-tariffs = Tariffs
page-tariffs-lead = The household writes its prices itself: the hub knows none. A new price is written with its day; the old ones stay for the months before.
page-tariffs-none = No tariff yet.
page-tariff-new = A new tariff
page-tariff-of = Tariff: { $name }
page-tariff-name = Name
page-tariff-charge = What is paid for
page-charge-cold-water = cold water
page-charge-hot-water = hot water
page-charge-sewage = sewage (cold and hot together)
page-charge-electricity = electricity
page-charge-gas = gas
page-charge-heat = heating
page-tariff-currency = Currency
page-tariff-currency-hint = Three letters: RUB
page-tariff-version = Prices from a day on
page-tariff-from = From which day
page-tariff-fee = Fee per month, whatever is used
page-tariff-step = Step { $number }
page-tariff-up-to = Up to how many units in a month (empty in the last)
page-tariff-prices = Prices of a unit: T1; T2; T3 (one counts for all zones)
page-tariff-prices-hint = With semicolons: 6.50; 2.50
page-tariff-points = Only for these meters (none: for all)
page-tariff-save = Save
page-tariff-remove = Remove the tariff
page-tariff-another = To write a new price, save: there will be room for the next day below.
page-tariff-empty-date = An empty day: these prices are not there.
page-tariff-since = from { $from }
page-tariff-fee-line = { $money } a month
page-tariff-export = Take away (JSON)

page-warmth = Temperature at home
page-warmth-lead = For how many hours it was colder than the norm: records for a recalculation of the heating fee. The norm and the night's tolerance are those of ПП РФ 354 and can be changed.
page-warmth-none = No room is watched yet.
page-warmth-add = Watch a room
page-warmth-name = Room
page-warmth-sensor = Thermometer
page-warmth-no-sensors = There are no thermometers yet.
page-warmth-corner = A corner room (20 °C instead of 18)
page-warmth-norm = Norm, °C (empty: 18, in a corner room 20)
page-warmth-night = At night lower by at most, °C
page-warmth-holds = For how many minutes the last value holds
page-warmth-do = Watch
page-warmth-remove = Watch no longer
page-warmth-from = From
page-warmth-to = To
page-warmth-show = Show
page-warmth-print = A sheet to print
page-warmth-month = Month
page-warmth-below = Hours below the norm
page-warmth-known = Hours with data
page-warmth-unknown = Hours without data
page-warmth-degree-hours = Degree hours
page-warmth-lowest = Lowest, °C
page-warmth-intervals = When it was colder than the norm
page-warmth-gaps = When there is no data
page-warmth-mean = Mean, °C
page-warmth-hours = Hours
page-warmth-begin = Begin
page-warmth-end = End
page-warmth-warm = It was not colder than the norm in this time.
page-warmth-source = Source: { $device }, { $property }. Samples: { $samples }, by { $minutes } min, intervals in all: { $intervals }.
page-warmth-norm-line = Norm { $norm } °C, from { $night_from } to { $night_to } o'clock not below { $night } °C; a value holds { $holds } min.
page-warmth-digest = SHA-256 of the data: { $digest }
page-warmth-more = The first { $count } are shown; the others are in the file.
page-warmth-chart = { $room }: hours below the norm
page-warmth-chart-about = Bars: hours below the norm by month. The same numbers are in the table below.
page-warmth-hour-unit = h
page-warmth-printed = Printed { $at }.
