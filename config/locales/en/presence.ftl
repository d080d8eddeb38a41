# Who is at home.
