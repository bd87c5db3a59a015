"""Asks for a name and a password, says hello, and hands over a result."""

import getpass

import antiphon

print("Hello from inside a sandbox.")
name = input("name? ")
password = getpass.getpass("password? ")
print(f"Hello, {name}. Your password has {len(password)} characters; nobody kept it.")
antiphon.result({"name": name, "password_length": len(password)})
