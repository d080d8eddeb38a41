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
