# Расход, тарифы, температура в квартире.
insight-total = { $point }: всего { $total } { $unit }.
insight-compared = { $how ->
    [more] Это на { $percent } % больше, чем за то же время раньше: { $now } { $unit } против { $before } { $unit } (по завершённым дням).
    [less] Это на { $percent } % меньше, чем за то же время раньше: { $now } { $unit } против { $before } { $unit } (по завершённым дням).
    [same] Столько же, сколько за то же время раньше: { $before } { $unit } (по завершённым дням).
   *[nothing] За то же время раньше расхода не было; теперь { $now } { $unit } (по завершённым дням).
 }
insight-forecast = К концу месяца, вероятно, будет { $likely } { $unit } (от { $low } до { $high }). { $method ->
    [weekdays] Считано по дням недели, полных дней: { $days }.
   *[mean] Считано по среднему дню, полных дней: { $days }.
 }
insight-forecast-early = Прогноза пока нет: полных дней с показаниями { $days }, а нужно { $wanted }.
insight-spread = Из этого { $amount } { $unit } разложены поровну по дням, за которые показаний не было.
insight-unknown = Из этого { $amount } { $unit } израсходованы неизвестно когда: показаний в это время не было.
insight-touches-unknown = На границе есть долгое время без показаний: на самом деле израсходовано больше, чем показано.
insight-leak = Похоже на утечку. { $why ->
    [never_rests] Вода не переставала течь { $hours } ч подряд, за это время ушло { $used } м³.
    [nobody_home] Дома никого нет { $hours } ч, а вода всё течёт: ушло { $used } м³.
   *[nights] Вода течёт каждую ночь с часу до пяти: ночей подряд — { $hours }, в самую спокойную ушло { $used } м³.
 }
insight-unusual = Необычно много за { $day }: { $used } { $unit }, а обычно в такой день { $usual } { $unit } (дней для сравнения: { $days }).
insight-silent = Счётчик молчит уже { $hours } ч.
insight-chart-title = { $point }: расход
insight-chart-about = Столбики: расход с { $from } по { $to }, всего { $total } { $unit }. Те же числа — в таблице ниже.
insight-cold = { $room }: холоднее нормы ({ $norm } °C днём) было { $hours } ч.
insight-cold-gaps = Ещё { $hours } ч термометр молчал; что было в это время, неизвестно.
insight-cold-troubles = Часть записей не читается: на самом деле данных могло быть больше.
insight-cold-own = Это собственные записи дома. Для перерасчёта нужен акт проверки: вызовите её, пока холодно, и приложите эти записи.
insight-no-tariff = Такого тарифа нет
insight-no-place = Такого места нет
insight-full = Больше { $most } записать нельзя
insight-span = Спрашивайте от 1 до { $most } дней
insight-unreadable = Не понимаю «{ $text }»
insight-norm-wrong = Такой нормы быть не может: от 5 до 30 °C, ночью ниже не больше чем на 10, значение держится от 5 до 360 минут
insight-wrong-name = Назовите: от 1 до 100 знаков
insight-wrong-currency = Валюта — три заглавные латинские буквы, например RUB
insight-wrong-no-version = Нет ни одной цены
insight-wrong-many-versions = Цены меняются не больше 40 раз
insight-wrong-same-day = Два раза одна и та же дата начала
insight-wrong-no-step = Нет ни одной ступени с ценой
insight-wrong-many-steps = Ступеней не больше 6
insight-wrong-steps-order = Ступени идут по возрастанию, последняя — без предела
insight-wrong-prices = У каждой ступени от 1 до 4 цен, и у всех поровну
insight-wrong-amount = Цена, предел и плата — от 0 до миллиарда, не больше шести знаков после запятой
insight-wrong-many-points = Точек учёта не больше 64

page-use = Расход
page-use-of = Расход: { $point }
page-use-lead = Сколько израсходовано по дням, месяцам и годам, что это стоит и на что похоже.
page-use-none = Счётчиков пока нет.
page-use-by-day = По дням
page-use-by-month = По месяцам
page-use-by-year = По годам
page-use-earlier = Раньше
page-use-later = Позже
page-use-table = Расход таблицей
page-use-when = Когда
page-use-all = Всего
page-use-before = Раньше
page-use-cost = Стоимость
page-use-notes = Пометки
page-use-estimated = оценка
page-use-by-hand = по записям вручную
page-use-partly = данные не за всё время
page-use-hours = часов: { $hours }
page-use-unknown-title = Когда израсходовано, неизвестно
page-use-unknown-line = { $zone }: { $amount } { $unit } с { $from } по { $to }
page-use-legend = На рисунке
page-use-legend-text = Цвета — тарифные зоны T1, T2, T3 снизу вверх. Бледные столбики разложены по дням без показаний, штриховка — израсходовано неизвестно когда, светлое — прогноз, черта — то же место в прошлом периоде.
page-use-likely-cost = За месяц, вероятно, выйдет { $money } ({ $tariff }).
page-use-month = С начала месяца: { $total } { $unit }
page-use-today = сегодня { $total } { $unit }
page-use-leak = похоже на утечку
page-use-gaps = Не раскладывать по дням то, что без показаний
page-use-gaps-spread = Раскладывать по дням то, что без показаний
page-bill = Сколько выходит за месяц
page-bill-of = Сколько выходит: { $month }
page-bill-lead = По вашим собственным тарифам. Это не счёт поставщика.
page-bill-none = Тарифов, по которым считать, ещё нет.
page-bill-used = Израсходовано
page-bill-fee = Плата за месяц
page-bill-sum = Всего
page-bill-partly = не всё известно
page-bill-unpriced = для { $amount } { $unit } цены нет

page-tariffs = Тарифы
page-tariffs-lead = Цены пишет сама семья: хаб не знает ни одной. Новая цена записывается с даты, прежние остаются для прошлых месяцев.
page-tariffs-none = Ещё ни одного тарифа.
page-tariff-new = Новый тариф
page-tariff-of = Тариф: { $name }
page-tariff-name = Название
page-tariff-charge = За что
page-charge-cold-water = холодная вода
page-charge-hot-water = горячая вода
page-charge-sewage = водоотведение (холодная и горячая вместе)
page-charge-electricity = электричество
page-charge-gas = газ
page-charge-heat = отопление
page-tariff-currency = Валюта
page-tariff-currency-hint = Три буквы: RUB
page-tariff-version = Цены с даты
page-tariff-from = С какого дня
page-tariff-fee = Плата в месяц, сколько бы ни израсходовали
page-tariff-step = Ступень { $number }
page-tariff-up-to = До скольких единиц в месяц (у последней пусто)
page-tariff-prices = Цены за единицу: T1; T2; T3 (одна — для всех зон)
page-tariff-prices-hint = Через точку с запятой: 6,50; 2,50
page-tariff-points = Только для этих счётчиков (ни одного — для всех)
page-tariff-save = Сохранить
page-tariff-remove = Удалить тариф
page-tariff-another = Чтобы записать новую цену, сохраните: внизу появится место для следующей даты.
page-tariff-empty-date = Пустая дата — этих цен нет.
page-tariff-since = с { $from }
page-tariff-fee-line = { $money } в месяц
page-tariff-export = Взять с собой (JSON)

page-warmth = Температура в квартире
page-warmth-lead = Сколько часов было холоднее нормы: записи для перерасчёта платы за отопление. Норма и ночное послабление — по ПП РФ 354, их можно изменить.
page-warmth-none = Ни за одной комнатой ещё не следят.
page-warmth-add = Следить за комнатой
page-warmth-name = Комната
page-warmth-sensor = Термометр
page-warmth-no-sensors = Термометров пока нет.
page-warmth-corner = Угловая комната (20 °C вместо 18)
page-warmth-norm = Норма, °C (пусто: 18, в угловой 20)
page-warmth-night = Ночью ниже не больше чем на, °C
page-warmth-holds = Сколько минут верить последнему значению
page-warmth-do = Следить
page-warmth-remove = Больше не следить
page-warmth-from = С
page-warmth-to = По
page-warmth-show = Показать
page-warmth-print = Лист для печати
page-warmth-month = Месяц
page-warmth-below = Часов ниже нормы
page-warmth-known = Часов с данными
page-warmth-unknown = Часов без данных
page-warmth-degree-hours = Градусо-часов
page-warmth-lowest = Самое низкое, °C
page-warmth-intervals = Когда было холоднее нормы
page-warmth-gaps = Когда данных нет
page-warmth-mean = Среднее, °C
page-warmth-hours = Часов
page-warmth-begin = Начало
page-warmth-end = Конец
page-warmth-warm = За это время холоднее нормы не было.
page-warmth-source = Источник: { $device }, { $property }. Замеров: { $samples }, по { $minutes } мин, всего интервалов: { $intervals }.
page-warmth-norm-line = Норма { $norm } °C, с { $night_from } до { $night_to } часов не ниже { $night } °C; значение держится { $holds } мин.
page-warmth-digest = SHA-256 данных: { $digest }
page-warmth-more = Показаны первые { $count }; остальные — в файле.
page-warmth-chart = { $room }: часов ниже нормы
page-warmth-chart-about = Столбики: часы ниже нормы по месяцам. Те же числа — в таблице ниже.
page-warmth-hour-unit = ч
page-warmth-printed = Напечатано { $at }.
