# Слова, которые добавляет канал: кнопки, степени, ответы бота.
channel-know = Я знаю
channel-more = Подробнее
channel-when = Когда: { $at }
channel-level = Опасность: { $severity }
channel-severity-minor = небольшая
channel-severity-moderate = возможная
channel-severity-severe = большая
channel-severity-extreme = чрезвычайная
channel-over = Всё закончилось.
channel-attention = Внимание!
channel-how-to-answer = Нажмите «Я знаю», чтобы дом перестал напоминать:
channel-mail-foot = Это письмо написал дом. Что и как он сообщает, настраивается на его странице.
bot-known = Хорошо, записано.
bot-stale = Это уже не актуально.
bot-linked = Готово: сообщения дома будут приходить сюда.
bot-not-linked = Этот код не подошёл: он одноразовый и действует 15 минут. Возьмите новый на странице дома.
bot-greeting = Здесь дом сообщает своим людям о важном. Откройте страницу дома, выберите «Бот» и возьмите код.
