# Журнал: deed-<код с дефисами вместо точек>, исходы, дороги. Ключи и переменные те же, что в en, их сравнивает тест.

# Строка журнала. $who — кто, $what — что и с чем, $why — почему нет.
journal-line-done = { $who }: { $what }
journal-line-refused = { $who }: { $what } — отказано: { $why }
journal-line-failed = { $who }: { $what } — не удалось: { $why }
journal-line-times = { $line } ({ $times ->
    [one] { $times } раз
    [few] { $times } раза
   *[other] { $times } раз
})
journal-deed-of-object = { $deed } — { $object }
journal-object-named = { $kind } «{ $name }»

# Кто.
journal-who-nobody = Неизвестный
journal-who-house = Дом
journal-who-console = Консоль хаба
journal-who-credential = Учётная запись «{ $name }»
journal-who-erased = Удалённый человек

# Каким путём.
journal-road-page = страница
journal-road-api = API
journal-road-console = командная строка
journal-road-mqtt = MQTT
journal-road-house = сам хаб

# Чем кончилось.
journal-outcome-done = выполнено
journal-outcome-refused = отказано
journal-outcome-failed = не удалось

# Что сделано. Именная группа: годится и для «отказано», и для «не удалось».
deed-journal-unreadable = нечитаемая запись журнала
deed-history-exported = выгрузка истории устройств
deed-history-imported = загрузка истории устройств
deed-device-accepted = приём устройства в дом
deed-device-connecting = начало подключения устройства
deed-device-not-connected = отказ от подключения устройства
deed-device-edited = изменение устройства
deed-device-forgotten = удаление устройства из дома
deed-device-errand = поручение мосту устройств
deed-device-commanded = команда устройству
deed-safety-rule-added = новое правило на случай опасности
deed-safety-rule-switched = включение или выключение правила на случай опасности
deed-safety-rule-removed = удаление правила на случай опасности
deed-safety-rule-tested = проверка правила на случай опасности
deed-safety-hushed = отключение звука тревоги
deed-camera-added = добавление камеры
deed-camera-changed = изменение камеры
deed-camera-forgotten = удаление камеры
deed-recordings-exported = выгрузка записей камеры
deed-recordings-erased = стирание записей камеры
deed-recordings-verified = проверка записей камеры
deed-danger-began = опасность
deed-danger-remembered = опасность, известная до перезапуска, датчик опрашивается
deed-danger-over = опасность миновала
deed-reflex-said = команда при опасности
deed-reflex-confirmed = подтверждение устройства при опасности
deed-reflex-undone = устройство снова сообщает иное, опасность не миновала
deed-room-added = новая комната
deed-room-edited = изменение комнаты
deed-room-removed = удаление комнаты
deed-journal-exported = выгрузка журнала
deed-seen = просмотр
deed-session-opened = вход в дом
deed-session-ended = выход
deed-session-named = название сеанса
deed-sessions-ended = завершение всех сеансов
deed-device-new = вход с нового устройства
deed-code-sent = отправка одноразового кода
deed-person-added = новый человек в доме
deed-person-edited = изменение сведений о человеке
deed-person-erased = удаление всех данных человека
deed-person-exported = выгрузка данных человека
deed-person-locked = блокировка человека
deed-person-unlocked = снятие блокировки
deed-contact-added = новый контакт
deed-contact-removed = удаление контакта
deed-contact-confirmed = подтверждение контакта
deed-contact-code-sent = код для подтверждения контакта
deed-consent-given = согласие на передачу данных
deed-consent-withdrawn = отзыв согласия
deed-factor-removed = удаление способа входа
deed-password-set = смена пароля
deed-passkey-added = новый ключ доступа
deed-totp-added = приложение с кодами
deed-pin-set = смена PIN-кода
deed-recovery-used = вход по резервному коду
deed-portal-account-added = привязка учётной записи портала
deed-token-issued = выпуск токена
deed-token-ended = отзыв токена
deed-certificate-added = новый клиентский сертификат
deed-certificate-ended = отзыв клиентского сертификата
deed-pairing-approved = подключение устройства
deed-pairing-refused = отказ подключить устройство
deed-meter-added = новый счётчик
deed-meter-replaced = замена счётчика
deed-meter-verified = запись о поверке счётчика
deed-reading-submitted = ввод показания
deed-reading-decided = решение о показании
deed-act-approved = утверждение акта
deed-act-corrected = исправление акта
deed-portal-linked = связь с порталом
deed-portal-unlinked = разрыв связи с порталом
deed-portal-linking-cancelled = отмена связывания с порталом
deed-portal-consent = постоянное согласие на отправку актов
deed-credential-issued = выдача учётной записи MQTT
deed-credential-revoked = отзыв учётной записи MQTT
deed-mqtt-commanded = команда устройству через брокер
deed-mqtt-connect = подключение к брокеру
deed-mqtt-publish = публикация в брокере
deed-mqtt-subscribe = подписка в брокере
deed-secret-set = запись секрета
deed-key-rotated = смена ключа хранилища
deed-notice-cleared = снятие уведомления
deed-delegation-given = передача права другому
deed-delegation-withdrawn = отзыв переданного права
deed-grant-given = выдача права
deed-grant-withdrawn = отзыв права
deed-entry-link-made = ссылка для входа
deed-recovery-codes-made = новые резервные коды
deed-setup-link-made = ссылка для первой настройки
deed-recovery-link = ссылка для восстановления доступа
deed-invitation-used = вход по приглашению
deed-recovery-entered = восстановление доступа
deed-passkey-copied = вход скопированным ключом доступа
deed-session-proved = подтверждение личности
deed-news-sent = письмо о событиях входа
deed-home-set-up = первая настройка дома
deed-tablet-paired = подключение настенного планшета
deed-signed-out = выход

# С чем. Имя следует за словом.
journal-object-person = человек
journal-object-rights = права
journal-object-factor = способ входа
journal-object-session = сеанс
journal-object-token = токен
journal-object-consent = согласие
journal-object-contact = контакт
journal-object-meter = счётчик
journal-object-act = акт
journal-object-portal = портал
journal-object-notice = уведомление
journal-object-credential = учётная запись
journal-object-topic = тема
journal-object-secret = секрет
journal-object-device = устройство
journal-object-room = комната
journal-object-camera = камера
journal-object-recording = запись камеры
journal-object-journal = журнал
journal-object-system = хаб
journal-object-safety = правило на случай опасности
journal-object-home = дом

# Почему нет: коды отказов политики и комнаты входа.
journal-why-status = ошибка { $status }
journal-why-wrong = неверный логин, пароль или код
journal-why-throttled = слишком много попыток
journal-why-too-late = истёк срок
journal-why-weak = слишком слабый пароль или PIN-код
journal-why-unknown = неизвестно, кто это
journal-why-damaged = запись повреждена
journal-why-sign-in = сначала нужно войти
journal-why-locked = устройства этого человека заблокированы
journal-why-expired = срок вышел
journal-why-role = нет такого права
journal-why-not-yours = это чужое
journal-why-denied = это право отобрано
journal-why-hours = не то время суток
journal-why-home-only = можно только из дома
journal-why-scope = токен этого не разрешает
journal-why-topic = эта тема не разрешена
journal-why-over-limit = слишком часто
journal-why-retained-command = команды не хранятся для новых подписчиков
journal-why-too-large = слишком большое сообщение
journal-why-not-said = передать не удалось
journal-why-unanswered = устройство не отвечает
journal-why-stronger = нужен более надёжный вход
journal-why-step-up = нужно подтвердить личность
journal-why-copied = счётчик ключа пошёл назад: похоже, ключ скопирован
journal-why-undelivered = сообщение не доставлено
journal-why-refused = сейчас это невозможно
journal-why-no-such = такого нет
journal-why-people = так нельзя
journal-why-store = хранилище не ответило
