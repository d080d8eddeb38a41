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
page-meter-confirm = Я сверил с табло, показание верное
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
page-source-person = { $name }
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
