# Why a request was not taken: request-<code>. Keys and variables as in ru; a test compares them.
request-bad-token = This token counts for nothing: it was ended, has expired or was copied wrongly. Issue a new one on the page “Security”.
request-token-in-address = A secret in an address stays in logs and in the browser's history. Send the token in the header “Authorization: Bearer …”.
request-foreign-site = The request came from another site's page and was not carried out. Open the page of your home and do it there.
request-forged = The request lacks your session's mark. Reload the page and try again.
request-internal = It could not be found out who is asking: the home's store does not answer. Wait a minute; if that does not help, run “domovoi doctor”.
request-no-such-person = There is no such person here.
problem-wrong = That is not right. Check the login and the password or code.
problem-wrong-code = The code is wrong or too old. Ask for a new one.
problem-too-many-tries = Too many tries. Wait { $seconds } s and try again.
problem-expired = This took too long. Begin again.
problem-weak = This password or PIN will not do; the rules below say why.
problem-not-accepted = This device was not accepted into the home yet, so it is told nothing. Accept it on the page “New devices”.
problem-too-many-commands = Too many commands wait for their confirmation. Wait until the devices have answered.
