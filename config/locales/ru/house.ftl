# Что дом записывает в календарь сам
diary-window = { $account }: приём показаний
diary-window-notes = Показания за { $period } принимают до { $last } включительно.
diary-verification = Поверка счётчика: { $point } (№ { $serial })
diary-verification-notes = После этого дня поставщик не примет показания счётчика № { $serial }: закажите поверку или замену.
diary-certificate = Сертификат заканчивается: { $name }
diary-certificate-notes = После этого дня соединению с «{ $name }» нельзя доверять: обновите сертификат.
diary-bill = Оплатить: { $account }, { $amount } ₽
diary-bill-notes = Счёт за { $period }. Оплатить до { $due }.
# Что дом сообщает порталу
own-act-received = Показания за { $period } приняты: { $account }, квитанция { $receipt }
own-alert-known = Замечено в доме: { $title }
own-fault = Неисправность в доме: { $title }
# Сообщения портала
message-title-outage = Отключение
message-title-meter = Сообщение о счётчике
message-title-money = Сообщение об оплате
message-title-security = Сообщение о безопасности
message-title-message = Сообщение портала
