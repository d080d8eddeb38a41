# Words that a channel adds: buttons, degrees, the bot's answers.
channel-know = I know
channel-more = More
channel-when = When: { $at }
channel-level = Danger: { $severity }
channel-severity-minor = small
channel-severity-moderate = possible
channel-severity-severe = great
channel-severity-extreme = extraordinary
channel-over = It is over.
channel-attention = Attention!
channel-how-to-answer = Press “I know” and the home stops reminding:
channel-mail-foot = The home wrote this. What it tells, and how, is set on its page.
bot-known = Good, noted.
bot-stale = That is over already.
bot-linked = Done: what the home tells will come here.
bot-not-linked = This code is not good: it works once and for 15 minutes. Take a new one on the home's page.
bot-greeting = Here the home tells its people what matters. Open the home's page, choose “Bot” and take a code.
