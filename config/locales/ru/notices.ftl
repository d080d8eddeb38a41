# Что хаб говорит людям. Fluent (projectfluent.org); ключи и переменные те же, что в en.ftl, их сравнивает тест.
# $supplier, $account, $point — названия, данные домашними. $period — месяц. $date — день. $value и $unit — показание.

# What the hub tells the household; the parameters are those of the notice.
notice-clock-untrusted = Часы хаба не могут быть верны: показания сохраняются, но акты не подписываются. Дождитесь времени из сети.
notice-supplier-unknown = { $account }: поставщика «{ $supplier }» нет в настройках. Добавьте [[supplier]] с этим id.
notice-reading-missing = { $point }: показание не может войти в акт: { $problem }.
notice-read-meter = Снимите показание счётчика: { $point } ({ $account }). Приём до { $until }.
notice-not-confirmed = { $account }: показания за { $period } ещё не подтверждены (сейчас: { $state }). Приём до { $until }.
notice-window-missed = { $account }: приём показаний за { $period } закончился { $ended }, а подтверждения нет (сейчас: { $state }). Акт сохранён.
notice-journal-damaged = Запись журнала повреждена и пропущена: { $what }.
notice-disk-nearly-full = Диск почти заполнен (осталось { $free } МБ): записываются только счётчики и тревоги. Освободите место или отведите истории меньше в настройках.
notice-disk-full = Диск заполнен: ничего не записывается. Краны и сирены работают и так. Освободите место, запись продолжится сама.
notice-disk-failing = Диск отказывает: { $why }. Слова устройств не подтверждаются и придут снова, когда диск вернётся. Сделайте копию и замените его.
notice-broker-log-damaged = Журнал брокера прочитан не весь (повреждённых частей: { $pieces }): часть подписок, очередей и сохранённых сообщений могла пропасть. Перезапустите Zigbee2MQTT и другие мосты: подписавшись заново, они получат всё. Проверьте диск: domovoi doctor --verify.
notice-portal-differs = Портал хранит под номером акта за { $period } другие байты. Акт не считается принятым. Номер: { $act }.
notice-reading-rejected = Портал не принял показание счётчика { $serial } за { $period }: { $why }.
notice-photo-refused = Портал не принял фотографию к акту за { $period }: { $why }. Показания приняты.
notice-window-closed = Портал сейчас не принимает показания за { $period }. Откроется: { $opens }. Хаб отправит акт сам.
notice-act-refused = Портал отказал в приёме акта за { $period }: { $code } { $detail }. Исправьте причину и выполните domovoi act correct { $act }.
notice-relink-needed = Портал больше не принимает связь с этим хабом. Ничего не потеряно: акты ждут. Выполните domovoi portal link.
notice-not-linked = Есть акты к отправке, но хаб не связан с порталом. Выполните domovoi portal link.
notice-account-pending = Учётная запись на портале ждёт подтверждения. Подтвердите её на портале; хаб проверит сам.
notice-account-blocked = Учётная запись на портале заблокирована. Обратитесь в поддержку портала.
notice-history-damaged = Запись истории не читается и отложена: { $what }. Остальное читается; выполните domovoi doctor --verify.
notice-ledger-damaged = Прошлое одного из счётчиков не читается: { $what }. Его новые показания не учитываются; выполните domovoi doctor --verify.
notice-left-out = { $point }: показания нет в подписанном акте. Когда оно будет, добавьте его: domovoi act correct { $act }.
notice-key-refused = Портал не принял ключ подписи хаба: { $why }. Акты ждут.
notice-scope-missing = Портал не разрешил хабу подавать показания. Выполните domovoi portal unlink и domovoi portal link и разрешите это.
notice-certificate-unusable = Собственный сертификат использовать нельзя: { $what }. Пока показывается сертификат, выпущенный хабом.
notice-certificate-ending = Сертификат страницы действует до { $until } и сам не продлится. Замените файлы или проверьте, кто их обновляет.
notice-certificate-not-renewed = Удостоверяющий центр не выдал сертификат: { $why }. Нынешний действует до: { $until }. Хаб попробует ещё раз.
notice-certificate-authority-new = У хаба новый корневой сертификат. На каждом устройстве ему нужно довериться заново. Отпечаток: { $fingerprint }
notice-devices-damaged = Карточки устройств не читаются: { $count }. Эти устройства больше не считаются принятыми: кран никто не закроет, датчик никого не разбудит. Откройте «Входящие» и примите их заново; проверьте диск: domovoi doctor --verify.
notice-credentials-damaged = Доступы к брокеру не читаются: { $count }. Устройства с ними не могут войти. Выдайте доступ заново: domovoi mqtt remove и domovoi mqtt add; проверьте диск: domovoi doctor --verify.
notice-credential-ending = Сертификат «{ $name }» для брокера кончается { $until }: после этого дом перестанет слышать это устройство. Выдайте новый заранее.
notice-credential-ended = Сертификат «{ $name }» для брокера кончился { $until }: дом не слышит это устройство. Выдайте новый.

# How an act stands.
state-draft = черновик
state-checked = ждёт одобрения
state-approved = подписан
state-sent = отправлен
state-refused = отказано
state-none = акта ещё нет

# What the ledger noticed.
finding-glitch-to-zero = Устройство сообщило ноль, хотя показание было далеко от нуля; возможно, оно перезагрузилось.
finding-rollover = Счётчик прошёл наибольшее значение и начал сначала.
finding-decreased = Значение меньше последнего принятого, и переходом через ноль это не объяснить.
finding-implausible-jump = Столько с прошлого показания израсходовать едва ли возможно.
finding-gap = Значений не было { $hours } ч; когда именно за это время был расход, неизвестно.
finding-negative = Показание счётчика не бывает меньше нуля.
finding-too-many-digits = В значении больше цифр, чем на табло счётчика.
finding-device-complaint = Устройство само сообщает о неисправности: «{ $complaint }».
finding-swap-suspected = Похоже, что счётчик заменили. Если так, внесите замену.
finding-wrong-unit = Единица измерения не подходит к тому, что измеряют.
finding-confirmed-by-person = Значение проверил и подтвердил человек.
finding-swapped = Значение перенесено с заменённого счётчика.
notice-sign-in-attacked = Под именем «{ $person }» много раз подряд ввели неверный пароль или код с чужих устройств. С незнакомых устройств он не принимается, пока человек не войдёт сам.
# Что говорит рефлекс. $sensor и $device — названия, $danger — код, $value — что сказано.
notice-danger-gas = ГАЗ: { $sensor }. Краны перекрываются. Откройте окна, не трогайте выключатели, выйдите из дома, звоните 104.
notice-danger-carbon-monoxide = УГАРНЫЙ ГАЗ: { $sensor }. Немедленно выйдите из дома, звоните 112.
notice-danger-smoke = ДЫМ: { $sensor }. Если это пожар, выйдите из дома, звоните 101.
notice-danger-water-leak = ПРОТЕЧКА: { $sensor }. Краны перекрываются.
notice-danger-freezing = ХОЛОД: { $sensor } показывает { $value }. Трубы могут замёрзнуть.
notice-danger-silence = Датчик безопасности молчит: { $sensor }. Проверьте батарею и сам датчик: пока он молчит, он ни о чём не предупредит.
notice-danger-unaccepted = Тревога от устройства, которое никто не принял: { $sensor } ({ $danger ->
    [gas] газ
    [carbon-monoxide] угарный газ
    [smoke] дым
   *[water-leak] протечка
}). Ничего не перекрыто. Проверьте и примите устройство, если оно ваше.
notice-danger-over = { $sensor } сообщает, что опасность миновала: { $danger ->
    [gas] газ
    [carbon-monoxide] угарный газ
    [smoke] дым
   *[water-leak] протечка
}. Перекрытое остаётся перекрытым: откройте сами, когда всё в порядке.
notice-device-unanswered = { $device } не отвечает при опасности. Команда повторяется; перекройте вручную.
notice-device-not-told = { $device } не получает команду при опасности: { $why }. Перекройте вручную.
notice-safety-rule-mute = В правиле «{ $name }» названо устройство или помещение, которого больше нет. Посмотрите domovoi safety show и исправьте его.
notice-safety-device-undescribed = { $name } охраняло от опасности, но больше никто не сообщает, что это за устройство. Проверьте его шлюз: пока оно ни о чём не предупредит.
notice-safety-rules-unreadable = Правила на случай опасности не читаются, действуют встроенные. Посмотрите domovoi safety show и добавьте свои заново.
# Без чего дом открылся: $part — код части, $why — что сказала программа.
notice-opened-without = { $part ->
    [people] Записи некоторых людей не читаются; их права не действуют
    [metering] Учёт стоит: не всё, что он хранит, читается. Показания записываются и будут учтены потом
    [portal] Связь с порталом не открыта
    [messages] Письма и сообщения не отправляются
   *[external-broker] К брокеру дома не подключиться
}: { $why }. Краны и сирены работают. Проверьте: domovoi doctor --verify, затем перезапустите.
