# Календарь и сообщения портала.

calendar-name = Домовой
calendar-overdue = Просрочено: { $title }
calendar-when = { $date }, { $time }
calendar-late = Напоминание опоздало: хаб был выключен или не знал времени.
calendar-missed = { $count ->
    [one] Пока хаб был выключен, пропущен ещё { $count } раз.
    [few] Пока хаб был выключен, пропущено ещё { $count } раза.
   *[other] Пока хаб был выключен, пропущено ещё { $count } раз.
}

# Почему с календарём что-то нельзя.
calendar-no-event = Такого события нет.
calendar-no-occurrence = У этого события нет такого повторения.
calendar-no-secret-address = Такого секретного адреса нет.
calendar-no-calendar-elsewhere = Такого внешнего календаря нет.
calendar-read-only = Это событие записано не здесь: его даёт другая часть дома или внешний календарь.
calendar-full = Больше нельзя: не более { $most }.
calendar-no-clock = Часы хаба ещё не установлены: календарь ждёт их.
calendar-wrong-blank = Напишите, как это назвать.
calendar-wrong-too-long = Слишком длинно.
calendar-wrong-controls = В тексте есть символы, которых не видно.
calendar-wrong-start = Нужна дата, 2026-11-24, или дата и время, 2026-11-24T08:00.
calendar-wrong-start-kind = Событие на целый день остаётся событием на целый день.
calendar-wrong-zone = Такого часового пояса нет. Пример: Europe/Moscow.
calendar-wrong-whole-days = Целые дни считаются по 1440 минут.
calendar-wrong-length = Событие длится не больше года.
calendar-wrong-reminders = Напоминаний не больше восьми, каждое не раньше чем за год.
calendar-wrong-rule = Правило повторения не читается. Пример: FREQ=WEEKLY;BYDAY=MO.
calendar-wrong-rule-too-much = Правило повторения требует слишком многого: не чаще раза в час, не больше 10000 раз.
calendar-wrong-rule-never = По этому правилу событие не наступит никогда.
calendar-wrong-no-task = В этом событии нечего делать, поэтому и отмечать нечего.

# Что вышло с внешним календарём.
calendar-read = Прочитан.
calendar-read-in-part = Прочитан, но { $count } событий взять не удалось.
calendar-not-read-yet = Ещё не читался.
calendar-failed-address = Это не адрес календаря: нужен https://… или webcal://…, без имени и пароля.
calendar-failed-forbidden = Этот адрес ведёт в домашнюю сеть или в никуда. Домашние адреса разрешаются в настройках: calendar.allow.
calendar-failed-https = Календари читаются только по https.
calendar-failed-timeout = Календарь не ответил вовремя.
calendar-failed-unreachable = Календарь недоступен.
calendar-failed-broken = Связь с календарём прервалась.
calendar-failed-status = Вместо календаря пришёл ответ { $detail }.
calendar-failed-redirects = Адрес пересылает слишком много раз.
calendar-failed-too-large = Календарь больше 2 МБ.
calendar-failed-not-a-calendar = По этому адресу не календарь.
calendar-failed-twice = Этот календарь уже читается.

# Сообщения порталу и от него.
portal-message-no-such = Такого сообщения нет.
portal-message-too-late = Сообщение уже ушло.
portal-message-full = Порталу ждёт слишком много сообщений.
portal-message-wrong = В сообщении от 1 до 4000 символов.
portal-message-waiting = ждёт связи, разрешения или согласия
portal-message-tried = отправлялось { $detail } раз, ответа нет; будет отправлено под тем же номером
portal-message-taken = портал принял
portal-message-refused = портал отказал: { $detail }
portal-message-expired = устарело и больше не отправляется
portal-message-withdrawn = отозвано
