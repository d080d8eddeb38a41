# Страницы. Ключи и переменные те же, что в en, их сравнивает тест.

## Общее: рамка страницы, меню, оформление.
page-skip = Перейти к содержанию
page-nav = Разделы
page-nav-home = Дом
page-nav-meters = Счётчики
page-nav-people = Люди
page-nav-journal = Журнал
page-nav-me = Вы
page-help = Помощь
page-sign-out = Выйти
page-back = Назад
page-to-home = На главную
page-continue = Продолжить
page-begin-again = Начать сначала
page-or = или
page-never = никогда
page-trouble = Проверьте, пожалуйста:
page-look-theme = Оформление
page-look-auto = Как на устройстве
page-look-light = Светлое
page-look-dark = Тёмное
page-look-contrast = Контрастное
page-look-language = Язык
page-look-choose = Применить

## Сколько времени прошло.
page-age-now = только что
page-age-minutes = { $count ->
    [one] { $count } минуту назад
    [few] { $count } минуты назад
   *[many] { $count } минут назад
}
page-age-hours = { $count ->
    [one] { $count } час назад
    [few] { $count } часа назад
   *[many] { $count } часов назад
}
page-age-days = { $count ->
    [one] { $count } день назад
    [few] { $count } дня назад
   *[many] { $count } дней назад
}

## Когда не получилось.
page-fault-refused = Сюда вам нельзя
page-fault-missing = Такой страницы нет
page-fault-missing-text = Возможно, её уже убрали или в адресе опечатка.
page-fault-forged = Страница устарела
page-fault-forged-text = Пока она была открыта, вы успели войти заново или выйти. Вернитесь назад, обновите страницу и повторите.
page-fault-large = Слишком большой файл
page-fault-large-text = Фотография может занимать до 5 МБ. Уменьшите её и попробуйте ещё раз.
page-fault-form = Форма не прочиталась
page-fault-form-text = Вернитесь назад, обновите страницу и заполните её ещё раз.
page-fault-wait = Слишком много попыток
page-fault-wait-text = { $minutes ->
    [one] Слишком много попыток подряд. Подождите { $minutes } минуту и попробуйте снова.
    [few] Слишком много попыток подряд. Подождите { $minutes } минуты и попробуйте снова.
   *[many] Слишком много попыток подряд. Подождите { $minutes } минут и попробуйте снова.
}
page-fault-expired = Время вышло
page-fault-expired-text = Прошло слишком много времени. Начните, пожалуйста, сначала.
page-fault-broken = Что-то сломалось
page-fault-broken-text = Это неполадка дома, а не ваша ошибка. Подождите минуту и попробуйте снова. Если не поможет, попросите хозяина дома выполнить domovoi doctor.
page-fault-no = Не получилось
page-fault-no-text = Дом не смог этого сделать. Вот что он об этом говорит:

## Пароль и коды.
page-login = Телефон, почта или имя для входа
page-password = Пароль
page-password-new = Придумайте пароль
page-password-hint = Не короче 15 знаков. Проще всего запомнить несколько случайных слов подряд.
page-password-show = Показать
page-password-hide = Скрыть
page-totp-code = Код из приложения
page-totp-code-hint = Шесть цифр, которые сейчас показывает приложение.
page-recovery-use = Нет приложения под рукой? Введите запасной код
page-recovery-code = Запасной код
page-recovery-code-hint = Один из кодов, которые вы сохранили. Второй раз он не подойдёт.
page-passkey-use = Войти с ключом доступа
page-passkey-failed = Ключ доступа не подошёл. Попробуйте ещё раз или войдите другим способом.
page-passkey-needs-script = Ключи доступа (отпечаток, лицо, код телефона) работают, когда в браузере включён JavaScript. С паролем можно войти и без него.

## Вход.
page-sign-in-title = Вход
page-sign-in-do = Войти
page-sign-in-wrong = Не подходит. Проверьте, верно ли набраны имя для входа и пароль.
page-sign-in-code = Получить одноразовый код
page-sign-in-portal = Войти через портал
page-sign-in-device = Войти с другого устройства
page-sign-in-other = Войти другим способом
page-second-title = Ещё один шаг
page-second-lead = Пароль верный. Подтвердите, что это вы.
page-second-wrong = Код не подошёл. Возможно, он успел смениться: введите новый.
page-code-title = Вход по одноразовому коду
page-code-login-hint = Код придёт, если этот телефон или эта почта подтверждены в доме.
page-code-send = Прислать код
page-code-sent = Если { $login } нам знаком, код уже в пути. Он действует десять минут.
page-code = Код из сообщения
page-code-wrong = Код не подошёл. Проверьте цифры или запросите новый.
page-code-again = Прислать ещё раз
page-pin-title = Кто вы?
page-pin-nobody = На этом планшете ещё никто не может войти по PIN. Задайте PIN на своём телефоне: «Вы», затем «Вход и безопасность».
page-pin-who = Выберите себя
page-pin = PIN
page-pin-pad = Цифры
page-pin-clear = Стереть цифру
page-pin-wrong = PIN не подошёл.

## Первая настройка и вход по ссылке.
page-setup-title = Добро пожаловать домой
page-setup-lead = Домовой запущен и ждёт хозяина. Расскажите о себе, и дом станет вашим.
page-setup-token = Код из ссылки
page-setup-token-hint = Его напечатала программа при запуске: строка после знака # в ссылке.
page-setup-token-missing = Вставьте код из ссылки, которую напечатала программа.
page-setup-token-over = Эта ссылка уже не действует: она одноразовая и живёт десять минут. Получите новую командой domovoi setup.
page-setup-name = Как вас зовут
page-setup-name-hint = Так вас будут видеть домашние.
page-setup-name-missing = Напишите, как вас зовут.
page-setup-login = Телефон, почта или имя для входа
page-setup-login-hint = С ним вы будете входить. Никуда, кроме этого дома, оно не попадёт.
page-setup-login-missing = Напишите телефон, почту или имя для входа.
page-setup-password-missing = Придумайте пароль.
page-setup-not-taken = Так не получится: { $why }
page-setup-do = Стать хозяином
page-entry-title = Вход по ссылке
page-entry-lead = Эта ссылка впускает вас один раз. Задайте пароль сейчас или войдите без него и сделайте ключ доступа на следующей странице.
page-entry-token-hint = Строка после знака # в ссылке, которую вам дали.
page-entry-token-missing = Вставьте код из ссылки.
page-entry-token-over = Эта ссылка уже не действует. Попросите новую у хозяина дома.
page-entry-password-hint = Можно оставить пустым.
page-entry-do = Войти

## Главная.
page-home-morning = Доброе утро, { $name }
page-home-day = Добрый день, { $name }
page-home-evening = Добрый вечер, { $name }
page-home-night = Доброй ночи, { $name }
page-home-now = Что требует внимания
page-home-look-at-safety = В разделе «Безопасность» есть то, что ещё не в порядке: посмотрите.
page-home-calm = Всё спокойно. Ничего делать не нужно.
page-home-act-waits = Показания за { $period } готовы к отправке ({ $supplier }). Посмотрите и одобрите.
page-home-act-look = Посмотреть
page-home-held = «{ $point }»: показание вызывает сомнения и ждёт вашего решения.
page-home-held-look = Разобраться
page-home-notice-clear = Прочитано
page-home-stronger = Защитите вход
page-home-stronger-text = Сейчас вы входите только по паролю. Добавьте ключ доступа: входить станет проще, а украсть его нельзя.
page-home-stronger-do = Настроить

## Счётчики и показания.
page-meters-none = Счётчиков пока нет. Хозяин добавляет их в командной строке:
page-meter-no-value = показаний ещё нет
page-meter-held = ждёт вашего решения
page-meter-done = Показание принято. Спасибо!
page-meter-now = Сейчас
page-meter-submit = Передать показание
page-meter-submit-do = Передать
page-meter-value = Показание
page-meter-value-of = Показание { $register }
page-meter-value-missing = Перепишите цифры с табло счётчика.
page-meter-value-wrong = «{ $typed }» не похоже на число. Перепишите цифры с табло, например 123,456.
page-meter-not-taken = Не получилось: { $why }
page-meter-photo = Фотография счётчика
page-meter-photo-hint = Не обязательно. Поможет, если поставщик усомнится. JPEG или PNG до 5 МБ; место съёмки и другие сведения будут стёрты.
page-meter-photo-wrong = Это не фотография или файл повреждён. Подойдёт JPEG или PNG.
page-meter-doubt = Показание выглядит необычно
page-meter-doubt-text = Сверьте его с табло. Если всё верно, подтвердите и передайте ещё раз; фотографию нужно будет выбрать снова.
page-meter-confirm = Показание сверено с табло, оно верное
page-meter-facts = О счётчике
page-meter-supplier = Поставщик
page-meter-account = Лицевой счёт
page-meter-serial = Заводской номер
page-meter-verified = Поверка действует до
page-meter-device = Передаёт устройство
page-meter-history = История
page-meter-history-none = Здесь появятся показания.
page-meter-source = Откуда
page-meter-verdict = Что решено
page-meter-accept = Верно
page-meter-ignore = Не учитывать
page-verdict-accepted = принято
page-verdict-held = ждёт решения
page-verdict-ignored = не учтено
page-source-device = устройство { $device }
page-source-photo = { $name }, с фотографией
page-source-installation = при установке
page-when = Когда
page-time-unknown = время неизвестно

## Акты.
page-acts = Отправка показаний
page-acts-lead = Раз в месяц дом собирает показания в акт, вы его одобряете, и он уходит поставщику.
page-acts-none = Актов ещё не было.
page-act-title = Показания за { $period }
page-act-account = лицевой счёт { $account }
page-act-way = Путь акта
page-act-draft = черновик
page-act-checked = ждёт одобрения
page-act-approved = подписан
page-act-sent = отправлен
page-act-confirmed = портал принял
page-act-received = получен
page-act-refused = отказ
page-act-superseded = исправлен
page-step-draft = Черновик
page-step-checked = Проверен
page-step-approved = Одобрен
page-step-signed = Подписан
page-step-sent = Отправлен
page-step-received = Получен
page-act-story-draft = Дом ещё собирает показания. Одобрить можно будет, когда они все проверены.
page-act-story-checked = Всё проверено. Посмотрите и одобрите: дом подпишет акт и отправит его сам.
page-act-story-approved = Акт подписан и ждёт отправки. Дом отправит его сам, как только портал ответит.
page-act-story-sent = Акт отправлен { $at }. Дом ждёт, когда портал подтвердит, что получил его.
page-act-story-confirmed = Портал получил акт { $at }. Осталось дождаться расписки.
page-act-story-received = Готово: поставщик получил показания, расписка от { $at } хранится в доме.
page-act-story-refused = Портал не принял акт: { $why } Устраните причину и составьте исправленный акт.
page-act-story-superseded = Вместо этого акта действует исправленный.
page-act-successor = Открыть исправленный
page-act-says = Что в акте
page-act-meter = Счётчик
page-act-consumption = Расход
page-act-date = На дату
page-act-portal = Портал
page-act-portal-pending = ответа ещё нет
page-act-portal-accepted = принято
page-act-portal-rejected = не принято: { $why }
page-act-receipt = Расписка
page-act-signature = Подпись
page-act-signature-holds = верна
page-act-signature-broken = не сходится: запустите domovoi doctor
page-act-approve = Одобрить и подписать
page-act-approve-hint = После подписи акт уже не изменить, только исправить новым.
page-act-incomplete = Подписать без показаний, которых не хватает
page-act-not-checked = Ещё не всё проверено. Дождитесь или отметьте, что подписываете без недостающих показаний.
page-act-no-clock = Часы дома ещё не сверены, а без верного времени акты не подписываются. Подождите несколько минут.
page-act-later-month = Более поздний месяц уже передан. Сообщите поставщику об исправлении сами.
page-act-not-correctable = Исправлять нечего: этот акт ещё не принят порталом или показания те же.
page-act-correct = Исправить акт
page-act-correct-text = Дом составит новый акт с нынешними показаниями за тот же месяц и отправит его вместо этого.
page-act-correct-do = Составить исправленный

## Кнопки, которые встречаются всюду.
page-save = Сохранить
page-add = Добавить
page-remove = Убрать
page-cancel = Отмена
page-withdraw = Отозвать
page-copy = Скопировать
page-copied = Скопировано
page-print = Напечатать
page-date-wrong = Это не похоже на дату. Выберите день в календаре или напишите его как 2026-12-31.
page-somebody-gone = удалённый человек

## Люди.
page-person-add = Добавить человека
page-person-add-do = Добавить
page-person-name = Имя
page-person-relation = Кто это в семье
page-person-relation-hint = Например: мама, дедушка, няня. Можно не заполнять.
page-person-role = Роль
page-person-last-day = Последний день
page-person-last-day-hint = Нужен только гостю: после этого дня доступ закроется сам.
page-person-contact = Телефон, почта или имя для входа
page-person-contact-hint = Можно добавить позже.
page-person-until = до { $at }
page-person-until-missing = Для гостя нужен последний день: до какого числа он у вас?
page-person-locked = заблокирован
page-person-over = время вышло
page-person-profile = О человеке
page-person-language-home = Как в доме
page-person-large = Крупные буквы
page-person-access = Доступ и данные
page-contacts = Телефоны и почта
page-contacts-none = Пока ничего не указано.
page-contact-name = имя для входа
page-contact-confirmed = подтверждён
page-contact-unconfirmed = не подтверждён
page-contact-confirm = Подтвердить
page-contact-sent = Код отправлен на { $contact }. Он действует десять минут.
page-contact-add = Добавить телефон, почту или имя для входа
page-contact-add-hint = Телефон и почту нужно будет подтвердить кодом; имя для входа подходит сразу.
page-contact-undelivered = Код не ушёл: почта или СМС сейчас не отправляются. Попробуйте позже.
page-invite = Ссылка для входа
page-invite-hint = Одноразовая ссылка на сутки: человек войдёт по ней и сам выберет пароль или ключ доступа.
page-invite-done = Передайте эту ссылку лично: { $name } войдёт по ней один раз. Здесь она больше не появится.
page-lock = Заблокировать
page-lock-hint = Если телефон потерян: все входы закроются сразу, новых не будет, пока вы не снимете блокировку.
page-unlock = Снять блокировку
page-export = Скачать данные
page-erase = Удалить человека

## Права.
page-rights = Права
page-rights-role = Что можно сейчас
page-grants = Отдельные права
page-grant-allow = можно
page-grant-deny = нельзя
page-grant-from = От кого: { $name }
page-grant-hours = с { $from } до { $to }
page-grant-home = только дома
page-grant-until = до { $at }
page-grant-add = Дать или отобрать право
page-grant-effect = Разрешить или запретить
page-grant-verbs = Что делать
page-grant-verb-missing = Отметьте хотя бы одно действие.
page-grant-kind = С чем
page-grant-hour-from = С которого часа
page-grant-hour-to = До которого часа
page-grant-hours-wrong = Укажите оба времени, с какого и до какого, или ни одного.
page-grant-last-day = Последний день
page-delegate = Передать своё право
page-delegate-lead = Например, передать показания, пока вы в отъезде. Право вернётся к вам само, и забрать его можно в любой день.
page-delegate-do = Передать право
page-delegate-to = Кому
page-delegate-until-missing = Выберите последний день: право передают не дольше чем на 90 дней.

## Удаление человека.
page-erase-title = Удалить: { $name }
page-erase-own = Вы удаляете себя из этого дома.
page-erase-other = Человек больше не сможет войти.
page-erase-text = Исчезнут имя, контакты, способы входа, согласия и всё личное, что есть в журнале. Сами записи журнала останутся без имени. Вернуть ничего нельзя.
page-erase-name = Имя этого человека
page-erase-name-hint = Чтобы не удалить по ошибке, напечатайте: { $name }
page-erase-name-wrong = Имя не совпадает.
page-erase-do = Удалить навсегда

## Согласия и портал.
page-consents = Согласия
page-consent-title = Согласие на передачу показаний
page-consent-stands = действует
page-consent-over = не действует
page-consent-none = не дано
page-consent-text = Текст согласия
page-consent-given = дано { $at }
page-consent-withdrawn = отозвано { $at }
page-consent-given-by = { $name }: { $at }
page-consent-agree = Текст прочитан, согласие даю
page-consent-agree-missing = Отметьте, что прочитали текст и даёте согласие.
page-consent-give = Дать согласие
page-consent-withdraw = Отозвать согласие
page-consent-all = Все мои согласия
page-portal = Портал и согласие
page-portal-link = Связь с порталом
page-portal-unlinked = Дом не связан с порталом. Связать его может хозяин в командной строке:
page-portal-linking = Связь с порталом сейчас устанавливается.
page-portal-linked = Дом связан с порталом с { $at }.
page-portal-relink = Портал больше не принимает эту связь. Показания не потеряны: они ждут, пока хозяин свяжет дом заново.
page-portal-pending = Учётная запись на портале ещё не подтверждена. Подтвердите её на портале; дом проверит сам.
page-portal-blocked = Учётная запись на портале заблокирована. Обратитесь в поддержку портала.
page-portal-permissions = Что разрешено дому

## Вы.
page-me-data = Мои данные
page-me-data-hint = Имя, телефоны и почта, права, согласия
page-me-security-hint = Пароль, ключи доступа, где вы вошли
page-me-pair-hint = Впустить новый телефон или планшет
page-me-portal-hint = Что уходит из дома и с чьего согласия

## Вход и безопасность.
page-security = Вход и безопасность
page-factors = Как вы входите
page-used = Последний раз: { $at }
page-unused = Ещё не использовался
page-passkey-add = Добавить ключ доступа
page-passkey-name = Как назвать ключ
page-passkey-name-example = Мой телефон
page-passkey-what = Вход по отпечатку, лицу или коду этого устройства. Запоминать ничего не нужно, подсмотреть и украсть нечего.
page-password-set = Задать пароль
page-password-change = Сменить пароль
page-password-met = Хороший пароль
page-password-ends = На остальных устройствах придётся войти заново.
page-totp-add = Добавить приложение с кодами
page-totp-again = Перенести коды в другое приложение
page-totp-what = Приложение на телефоне показывает шесть цифр, которые меняются каждые полминуты. Подойдёт любое приложение для таких кодов.
page-totp-scan = Наведите на картинку камеру в приложении с кодами.
page-totp-picture = Картинка для приложения с кодами
page-totp-type = Не получается? Введите в приложении этот ключ:
page-totp-confirm = Проверить и включить
page-recovery-make = Получить запасные коды
page-recovery-again = Получить новые запасные коды
page-recovery-what = Десять одноразовых кодов на случай, если телефон потерян. Прежние коды перестанут действовать.
page-recovery-left = { $count ->
    [one] остался { $count } код
    [few] осталось { $count } кода
   *[many] осталось { $count } кодов
}
page-recovery-new = Ваши запасные коды
page-recovery-new-text = Сохраните их сейчас: напечатайте или перепишите. Больше они нигде не появятся. Каждый код подходит один раз.
page-pin-set = Задать PIN для планшета на стене
page-pin-change = Сменить PIN для планшета на стене
page-pin-new = Новый PIN
page-pin-hint = Четыре цифры. Подходит только на планшете, который уже впустили в дом.
page-sessions = Где вы вошли
page-session-this = это устройство
page-session-ends = Закончится { $at }
page-session-name = Переименовать
page-session-name-label = Название
page-session-end = Выйти там
page-sessions-end-others = Выйти на всех остальных устройствах
page-tokens = Доступ для программ
page-tokens-what = Токен пускает программу от вашего имени. Не давайте его тем, кому не доверяете.
page-token-add = Выпустить токен
page-token-name = Для чего он
page-token-scope = Что ей можно
page-token-see = Только смотреть
page-token-readings = Смотреть и передавать показания
page-token-all = Всё, что можно мне
page-token-days = На сколько дней
page-token-do = Выпустить
page-token-new = Новый токен
page-token-new-text = Скопируйте его сейчас: больше он нигде не появится.
page-certificates = Сертификаты устройств

## Подтвердить, что это вы.
page-step-up-title = Подтвердите, что это вы
page-step-up-lead = Это важное действие. Подтвердите вход ещё раз; следующие пять минут спрашивать не будем.
page-step-up-passkey = Подтвердить ключом доступа
page-step-up-do = Подтвердить
page-step-up-wrong = Не подходит. Попробуйте ещё раз.

## Новое устройство.
page-device-lead = Если на другом телефоне вы уже вошли, впустите это устройство с него: пароль не понадобится.
page-device-which = Что это за устройство?
page-device-phone = Мой телефон или компьютер
page-device-tablet = Общий планшет на стене
page-device-do = Показать код
page-device-scan = Наведите на картинку камеру телефона, на котором вы уже вошли.
page-device-picture = Картинка с кодом { $code }
page-device-type = Или откройте на нём { $address } и введите код:
page-device-until = Код действует до { $at }.
page-device-waiting = Ждём, когда вы подтвердите на телефоне.
page-device-check = Подтверждено, войти
page-pair = Новое устройство
page-pair-lead = Введите код, который показывает новый телефон или планшет.
page-pair-code = Код
page-pair-code-hint = Восемь букв и цифр с экрана нового устройства.
page-pair-over = Такой код не действует. Покажите на новом устройстве другой.
page-pair-phone = Впустить это устройство?
page-pair-phone-lead = Оно войдёт под вашим именем и сможет всё, что можете вы. Впускайте только то, что у вас в руках.
page-pair-tablet = Впустить планшет в дом?
page-pair-tablet-lead = Он станет общим: домашние будут входить на нём по PIN. Впускайте только то, что видите своими глазами.
page-pair-device = Что оно о себе говорит
page-pair-address = Откуда
page-pair-name = Как его назвать
page-pair-name-phone = Телефон, { $name }
page-pair-name-tablet = Планшет на стене
page-pair-approve = Впустить
page-pair-refuse = Не впускать
page-pair-done = Готово: устройство впущено. Оно откроет дом само.

## Журнал.
page-journal-lead = Кто, что и когда сделал в доме. Записи нельзя изменить или убрать незаметно.
page-journal-own = Что вы делали в этом доме.
page-journal-search = Найти
page-journal-text = Любые слова
page-journal-who = Кто
page-journal-anybody = Кто угодно
page-journal-what = Что
page-journal-from = Откуда
page-journal-outcome = Чем кончилось
page-journal-any = Чем угодно
page-journal-since = С
page-journal-until = По
page-journal-find = Найти
page-journal-export = Скачать таблицу
page-journal-verify = Проверить, что записи никто не менял
page-journal-holds = Все записи на месте, ни одна не изменена.
page-journal-broken = С журналом что-то не так
page-journal-none = Ничего не нашлось.
page-journal-older = Раньше
page-journal-nobody = неизвестный
page-journal-house = дом
page-journal-console = командная строка
page-journal-credential = устройство { $name }
page-journal-done = сделано
page-journal-refused = отказано: { $why }
page-journal-failed = не вышло: { $why }
page-journal-outcome-refused = отказано
page-journal-outcome-failed = не вышло
page-journal-erased = стёрто
page-journal-times = ({ $count } раз)

## Помощь.
page-help-what = Что это
page-help-what-text = Домовой живёт на маленьком компьютере у вас дома. Он слушает счётчики, собирает показания и с вашего согласия передаёт их поставщикам. Всё хранится здесь, в доме, в зашифрованном виде.
page-help-in = Как войти
page-help-in-text = Телефоном, почтой или именем, которые вы дали хозяину, и паролем. Удобнее ключ доступа: один раз добавьте его в разделе «Вы», «Вход и безопасность», и потом достаточно отпечатка или кода телефона.
page-help-lost = Забыли пароль или потеряли телефон
page-help-lost-text = Попросите хозяина дома дать вам ссылку для входа. Если телефон потерян, пусть он сразу нажмёт «Заблокировать» на вашей странице. Хозяин, который сам не может войти, выполняет на хабе команду domovoi people link.
page-help-reading = Как передать показание
page-help-reading-text = Откройте «Счётчики», выберите свой, перепишите цифры с табло и нажмите «Передать». Раз в месяц дом соберёт показания в акт, хозяин одобрит его, и показания уйдут поставщику.
page-help-warning = Браузер предупреждает об опасности
page-help-warning-text = Дом сам выписал себе сертификат, и браузер его ещё не знает. Страница http этого дома рассказывает, как один раз объяснить браузеру, что ему можно верить.
page-help-data = Ваши данные
page-help-data-text = Из дома ничего не уходит без согласия. На своей странице вы можете скачать всё, что дом о вас знает, отозвать согласия и удалить себя.

## Способы входа.
page-factor-passkey = Ключ доступа
page-factor-password = Пароль
page-factor-totp = Приложение с кодами
page-factor-recovery = Запасные коды
page-factor-pin = PIN для планшета
page-factor-portal = Учётная запись портала

## Журнал: дороги и что изменилось.
page-road-page = страница
page-road-api = программа
page-road-console = командная строка
page-road-mqtt = устройство
page-road-house = сам дом
page-field-name = имя
page-field-role = роль
page-field-until = последний день
page-field-contact = контакт
page-field-grant = право
page-field-delegation = переданное право
page-field-consent = согласие
page-field-device = устройство
page-field-token = токен
page-field-scopes = что ему можно
page-field-factor = способ входа
page-field-how = чем
page-field-locked = блокировка
page-field-profile = о человеке
page-field-person = человек
page-field-sessions = сеансов
page-field-relation = кто в семье

## Устройства, комнаты, подключение, безопасность.
page-nav-devices = Устройства
page-me-journal-hint = Кто, что и когда делал
page-rooms = Комнаты
page-safety = Безопасность
page-inbox = Новые устройства
page-connect = Подключить устройство
page-devices-none = Здесь пока нет ни одного устройства.
page-devices-no-room = Без комнаты
page-devices-waiting = { $count ->
    [one] { $count } устройство ждёт, пока его примут в дом.
    [few] { $count } устройства ждут, пока их примут в дом.
   *[many] { $count } устройств ждут, пока их примут в дом.
}
page-device-unreachable = Похоже, не на связи
page-device-try-anyway = Похоже, устройство не на связи. Команду можно послать всё равно: иногда она его будит.
page-device-last-known = последнее известное, { $age }
page-device-last-known-undated = последнее известное, неизвестно когда
page-device-suspect = Само устройство сомневается: { $why }
page-device-broken = Не работает: { $why }
page-device-no-value = ещё ничего не сказано
page-device-dangerous = Перед этим дом спросит, вы ли это.
page-device-turn-on = Включить
page-device-turn-off = Выключить
page-device-open = Открыть
page-device-close = Закрыть
page-device-lock = Запереть
page-device-unlock = Отпереть
page-device-press = Нажать
page-device-set = Задать
page-device-name = Название
page-device-name-hint = Как зовут его дома. Пустое поле вернёт его собственное название.
page-device-name-wrong = В названии до 64 знаков, в одну строку.
page-device-room = Комната
page-device-new = Устройство подключено и принято в дом.
page-device-waits = Устройство ещё не принято в дом: оно видно, но ему ничего не говорят, и кранов оно не закрывает.
page-device-silent = Устройство пока ничего о себе не сказало.
page-device-told = Последние команды
page-device-sleeps = Спит ради батарейки: ответит, когда проснётся.
page-device-settings = Настройки устройства
page-device-diagnostics = Как чувствует себя устройство
page-device-facts = Об устройстве
page-device-own-name = Называет себя
page-device-model = Модель
page-device-via = Говорит через
page-device-heard = Слышали
page-device-battery = Питание
page-device-id = Идентификатор
page-device-edit = Название и комната
page-device-forget = Убрать из дома
page-device-forget-text = Дом забудет название, комнату и доступ устройства, а брокер то, что он о нём хранит. Если устройство заговорит снова, его найдут снова.
page-device-forget-history = Забыть и всё, что оно говорило
page-device-forget-leave = Попросить мост отпустить его
page-device-forget-do = Убрать
page-command-sent = сказано, ждём ответа устройства
page-command-confirmed = подтверждено устройством
page-command-timed-out = устройство не ответило вовремя
page-command-refused = передать не удалось
page-command-superseded = заменено следующей командой
page-command-unconfirmable = сказано; это устройство не отвечает
page-command-not-given = Команда не послана: { $why }
page-command-accept-again = Команда не послана: устройство теперь просит говорить с ним в другом месте, { $topic }. Пока вы это не подтвердите, дом там ничего опасного не скажет.
page-command-too-many = Команда не послана: слишком много команд ещё ждут ответа. Подождите немного и попробуйте снова.
page-device-moved = Устройство сменило адрес для команд
page-device-moved-text = Так бывает, когда его перенастроили или переименовали. Если это сделали вы, примите его ещё раз, и дом будет говорить с ним по адресу { $topic }. Если нет, ничего не нажимайте: возможно, кто-то выдаёт себя за него.
page-device-accept-again = Принять ещё раз
page-contest-lead = Об этом устройстве говорит ещё кто-то. Дом ему не верит, и всё осталось как было:
page-contest-somebody = Кто-то неизвестный
page-contest-link = Кто-то через ваш прежний брокер
page-contest-cloud = Облако производителя
page-contest-access = Кто-то с доступом «{ $name }»
page-contest-device = { $who } тоже выдаёт себя за него. Если устройство теперь подключено так, уберите его из дома, и оно найдётся снова.
page-contest-topic = { $who } хочет говорить под { $topic }, а это место другого устройства. Дайте одному из них другое имя.
page-contest-not-allowed = { $who } называет { $topic }, на что у него нет права.
page-contest-foreign = { $who } хочет получать команды под { $topic }, где их получают другие устройства.
page-contest-quota = { $who } сообщает о себе больше, чем разрешено. Лишнее не учтено.
page-inbox-lead = Эти устройства дом услышал, но никто ещё не сказал, что они ваши. До тех пор им ничего не говорят.
page-inbox-none = Никто не ждёт.
page-inbox-accept = Принять в дом
page-inbox-ignore = Это не наше
page-rooms-none = Комнат пока нет.
page-rooms-devices = { $count ->
    [one] { $count } устройство
    [few] { $count } устройства
   *[many] { $count } устройств
}
page-room-name = Название комнаты
page-room-name-wrong = У комнаты есть название: до 64 знаков, в одну строку.
page-room-name-taken = Такая комната уже есть.
page-room-up = Выше
page-room-down = Ниже
page-room-remove = Убрать
page-room-add = Новая комната
page-room-add-do = Добавить
page-connect-step-what = Что это
page-connect-step-access = Доступ
page-connect-step-check = Проверка
page-connect-code = По QR-коду
page-connect-photo = Фотография кода
page-connect-photo-do = Прочитать
page-connect-photo-missing = Выберите фотографию кода.
page-connect-photo-wrong = На фотографии не нашлось кода устройства. Снимите его прямо и ближе, при хорошем свете.
page-connect-code-text = Текст кода
page-connect-code-hint = Начинается с domovoi://device
page-connect-code-foreign = Это код чего-то другого. Код устройства начинается с domovoi://device
page-connect-code-version = Код новее, чем этот дом умеет читать (версия { $version }). Обновите дом.
page-connect-code-damaged = Код прочитан не весь: снимите его ещё раз. ({ $why })
page-connect-code-refused = С таким кодом устройство не подключить. ({ $why })
page-connect-conflict = Подключить не вышло. ({ $why })
page-connect-number-wrong = Номер или токен не подходят: в номере не меньше 6 цифр и букв, в токене не меньше 22, как на наклейке.
page-connect-mac-wrong = Это не аппаратный адрес: в нём двенадцать цифр 0–9 и букв A–F, например 5C:CF:7F:A1:B2:D1.
page-connect-node-wrong = Такое имя не подходит: нужны латинские буквы, цифры и дефис, и не общее слово вроде config или status.
page-connect-do = Подключить
page-connect-by-number = Ввести номер и токен
page-connect-found = Уже слышны
page-connect-types = По названию
page-connect-search = Марка, модель или что это
page-connect-search-do = Найти
page-connect-no-type = В каталоге такого нет. Возьмите «Другое устройство» подходящего вида.
page-connect-mac = Аппаратный адрес (MAC)
page-connect-mac-hint = Двенадцать цифр 0–9 и букв A–F на корпусе или на странице устройства. По нему устройство получит только свои темы.
page-connect-node = Имя в сети
page-connect-node-hint = Латиница, цифры и дефис, как в настройках устройства. С него начинаются темы устройства.
page-connect-serial = Серийный номер
page-connect-token = Токен
page-connect-token-hint = Напечатан рядом с кодом, не короче 22 знаков.
page-connect-bridge = Мост
page-connect-no-bridge = Дом ещё не слышал ни одного моста. Сначала подключите мост, потом устройства за ним.
page-connect-bridge-do = Подключить мост Zigbee
page-connect-open-bridge = Открыть мост и искать
page-connect-listen = Искать
page-connect-maker = Пусть дом впишет доступ сам
page-connect-maker-text = Дом откроет страницу самого устройства и впишет туда доступ. Её имя и пароль дом не запоминает.
page-connect-address = Адрес устройства
page-connect-address-hint = Цифрами, например 192.168.1.20
page-connect-address-wrong = Это не адрес устройства: нужны цифры, например 192.168.1.20.
page-connect-maker-user = Имя на странице устройства
page-connect-maker-password = Пароль страницы устройства
page-connect-confirm = Да, это оно
page-connect-open-device = Открыть устройство
page-connect-cancel = Отказаться
page-access = Доступ для устройства
page-access-once = Впишите это в устройство сейчас: пароль показан один раз. С ним устройство говорит только на своих темах.
page-access-host = Адрес брокера
page-access-port = Порт
page-access-tls = или { $port } с TLS
page-access-user = Имя
page-access-password = Пароль
page-access-publish = Говорит в темах
page-access-subscribe = Слышит темы
page-access-check = Проверить связь
page-progress-handing-over = Дом передаёт устройству доступ…
page-progress-not-handed-over = Передать доступ не вышло: { $why }
page-progress-waiting = Ждём устройство. Доступ вписан? Устройство в той же сети?
page-progress-joining = Мост открыт для новых устройств ещё несколько минут. Сделайте с устройством то, что сказано ниже.
page-progress-listening = Слушаем. Пока никого такого не слышно.
page-progress-wrong-password = Устройство приходило с неверным паролем. Впишите пароль ещё раз.
page-progress-connected = Устройство на связи, но ещё ничего не сказало.
page-progress-gone = Устройство приходило и ушло. Если оно перезапускается, подождите.
page-progress-outside = Устройство говорит не на своей теме: { $topic }. Исправьте тему в его настройках.
page-progress-not-understood = Устройство говорит, но из сказанного не понять, что это: { $topic }. Включите в нём объявление (discovery).
page-progress-found = Нашлось. Это оно?
page-progress-done = Устройство на связи, всё получилось.
page-progress-expired = Устройство так и не отозвалось, доступ отобран.
page-progress-cancelled = Подключение отменено, доступ отобран.
page-kind-leak = Протечка
page-kind-smoke = Дым
page-kind-gas = Газ
page-kind-valve = Краны
page-kind-siren = Сирены
page-kind-plug = Розетки и реле
page-kind-lamp = Свет
page-kind-climate = Температура и влажность
page-kind-heating = Отопление
page-kind-contact = Двери и окна
page-kind-motion = Движение
page-kind-button = Кнопки
page-kind-cover = Шторы и ворота
page-kind-lock = Замки
page-kind-meter = Счётчики
page-kind-board = Платы и другое
page-kind-bridge = Мосты
page-value-leak = Вода!
page-value-dry = Сухо
page-value-alarm = Тревога!
page-value-calm = Спокойно
page-value-open = Открыто
page-value-closed = Закрыто
page-value-motion = Движение
page-value-still = Никого
page-value-locked = Заперто
page-value-unlocked = Отперто
page-value-low = Садится
page-value-fine = В порядке
page-value-on = Включено
page-value-off = Выключено
page-value-yes = Да
page-value-no = Нет
page-presets = Подходит этому устройству
page-preset-which = Что именно
page-preset-add = Добавить правило
page-preset-unfit = Это правило сейчас не подходит: выберите, что закрывать или отключать.
page-preset-leak-closes = При протечке здесь закрыть кран
page-preset-gas-closes = При утечке газа здесь закрыть кран
page-preset-smoke-cuts = При дыме здесь отключить прибор
page-preset-frost-tells = Сказать, если здесь станет холоднее 5 °C
page-preset-closed-by-leaks = Закрывать при любой протечке в доме
page-preset-cut-by-smoke = Отключать при дыме в доме
page-alarms-more = { $count ->
    [one] И ещё { $count } опасность.
    [few] И ещё { $count } опасности.
   *[many] И ещё { $count } опасностей.
}
page-alarms-unconfirmed = Ещё не подтверждено, закройте или выключите рукой, если это не опасно: { $names }
page-danger-gas = Газ
page-danger-carbon-monoxide = Угарный газ
page-danger-smoke = Дым
page-danger-water-leak = Протечка
page-danger-freezing = Мороз
page-danger-silence = Датчик молчит
page-safety-set = { $device }: { $value }
page-safety-whole-home = весь дом
page-safety-in-room = по датчикам в комнате: { $room }
page-safety-by = по датчикам: { $names }
page-safety-below = при { $degrees } °C и ниже
page-safety-valves = закрыть краны: { $room }
page-safety-sirens = включить сирены: { $room }
page-safety-tells = сообщить людям
page-safety-calm = Ни один датчик не сообщает об опасности.
page-safety-hushed = звук выключен
page-safety-unaccepted = Датчик ещё не принят в дом, поэтому ничего не закрыто.
page-safety-remembered = Известно с прошлого запуска, датчик опрашивается.
page-safety-setting = Что сделано
page-safety-confirmed = подтверждено устройством
page-safety-tries = { $tries ->
    [one] сказано { $tries } раз, ждём ответа
    [few] сказано { $tries } раза, ждём ответа
   *[many] сказано { $tries } раз, ждём ответа
}
page-safety-test = проверка
page-safety-hush = Выключить сирены
page-safety-hush-text = Сирены смолкнут. Что ещё не подтвердило, что закрылось, дом закрывает дальше. Что подтвердило и потом будет открыто рукой, дом сам больше не закроет.
page-safety-counts = Датчиков: { $sensors }, кранов: { $valves }, сирен: { $sirens }.
page-safety-no-sensors = Ни один датчик опасности ещё не принят в дом.
page-safety-tests = Проверки
page-safety-no-tests = Правила ещё не проверяли.
page-safety-rules = Правила
page-safety-lead = Это дом делает сам, без интернета и не дожидаясь людей.
page-safety-off = выключено
page-safety-switch-off = Выключить
page-safety-switch-on = Включить
page-safety-remove = Убрать
page-test-do = Проверить на словах
page-test-do-earnest = Проверить на деле
page-test-earnest = на деле
page-test-words = на словах
page-test-nothing = Ничего не закроется и не включится: только сообщение людям.
page-test-would = было бы сделано
page-test-said = { $tries ->
    [one] сказано { $tries } раз
    [few] сказано { $tries } раза
   *[many] сказано { $tries } раз
}
page-test-not-said = не передано: { $why }
page-test-confirmed = подтверждено устройством

## Как называется то, что устройства говорят, если сами они этого не сказали: property-<имя или класс>, value-<слово>.
property-state = Состояние
property-power = Питание
property-switch = Питание
property-light = Свет
property-brightness = Яркость
property-color-temp = Оттенок белого
property-color-xy = Цвет
property-color-hs = Цвет
property-color = Цвет
property-water-leak = Протечка
property-moisture = Протечка
property-smoke = Дым
property-gas = Газ
property-carbon-monoxide = Угарный газ
property-temperature = Температура
property-humidity = Влажность
property-pressure = Давление
property-battery = Батарейка
property-battery-low = Батарейка
property-voltage = Напряжение
property-current = Ток
property-energy = Энергия
property-illuminance = Освещённость
property-contact = Контакт
property-occupancy = Присутствие
property-motion = Движение
property-action = Действие
property-position = Положение
property-valve = Кран
property-siren = Сирена
property-lock = Замок
property-linkquality = Качество связи
property-tamper = Вскрытие корпуса
property-total-m3 = Показание
property-flow = Расход
property-co2 = Углекислый газ
property-local-temperature = Температура в комнате
property-occupied-heating-setpoint = Желаемая температура
property-running-state = Сейчас
property-color-mode = Вид света
property-system-mode = Режим
property-effect = Эффект
property-cover = Штора
property-signal-strength = Сила сигнала
value-open = Открыто
value-opening = Открывается
value-close = Закрыто
value-closed = Закрыто
value-closing = Закрывается
value-stop = Стоп
value-off = Выключено
value-on = Включено
value-heat = Нагрев
value-auto = Сам
value-idle = Отдых
value-lock = Заперто
value-unlock = Отперто
value-locked = Заперто
value-unlocked = Отперто

## Камеры: сколько дней записей будет храниться и почему не больше.
camera-holds-unknown = Сколько дней будет храниться, станет известно через час записи.
camera-holds-days = { $promised ->
    [one] Записи хранятся { $promised } день, как вы и хотите.
    [few] Записи хранятся { $promised } дня, как вы и хотите.
   *[other] Записи хранятся { $promised } дней, как вы и хотите.
}
camera-holds-quota = { $days ->
    [one] Будет храниться около { $days } дня вместо { $promised }: доля диска у камеры мала. Дайте ей больше или записывайте меньше.
   *[other] Будет храниться около { $days } дней вместо { $promised }: доля диска у камеры мала. Дайте ей больше или записывайте меньше.
}
camera-holds-quota-hours = { $hours ->
    [one] Будет храниться около { $hours } часа, а не { $promised } дн.: доля диска у камеры мала. Дайте ей больше или записывайте меньше.
   *[other] Будет храниться около { $hours } часов, а не { $promised } дн.: доля диска у камеры мала. Дайте ей больше или записывайте меньше.
}
camera-holds-disk = { $days ->
    [one] Будет храниться около { $days } дня вместо { $promised }: мал диск, общий для всех камер. Поставьте больший или записывайте меньше.
   *[other] Будет храниться около { $days } дней вместо { $promised }: мал диск, общий для всех камер. Поставьте больший или записывайте меньше.
}
camera-holds-disk-hours = { $hours ->
    [one] Будет храниться около { $hours } часа, а не { $promised } дн.: мал диск, общий для всех камер. Поставьте больший или записывайте меньше.
   *[other] Будет храниться около { $hours } часов, а не { $promised } дн.: мал диск, общий для всех камер. Поставьте больший или записывайте меньше.
}

# Что не так с планом недели. $number: номер промежутка, с 1.
camera-plan-too-many = В плане не больше { $most } промежутков.
camera-plan-empty = Назовите хотя бы один промежуток недели или выберите другой способ записи.
camera-plan-needless = У камеры, которая записывается всегда или никогда, промежутков нет.
camera-plan-no-day = Промежуток { $number } не приходится ни на один день недели.
camera-plan-no-time = В промежутке { $number } стоит время, которого в сутках нет.
page-known-title = Вы знаете об этом?
page-known-lead = Нажмите, и дом перестанет напоминать вам и не станет будить других.
page-known-do = Я знаю
page-known-done = Записано: вы знаете.
page-known-home = На главную
page-known-token = Код из письма
page-known-token-hint = Если он не подставился сам: часть ссылки после знака #.
page-alert-known = Знает: { $name }
page-alert-drill = учебная
page-alert-steps = Что делать
page-alert-why = Почему это касается вас
page-alert-sender = Кто сообщает
page-alert-official = Официальная страница
