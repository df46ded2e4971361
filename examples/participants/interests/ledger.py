"""Double entry for a small shop: which account is debited, which is credited.

Held out are two of the six wordings of every transaction.
"""

from __future__ import annotations

from random import Random

from interests.question import Question, pick

TRANSACTIONS = {
    ("Stock", "Cash"): (
        "The shop buys {goods} for {n} coins in cash.",
        "{n} coins are paid in cash for {goods} to sell.",
        "Goods for sale, {goods}, are bought and {n} coins paid at once.",
        "{goods} for the shelves are paid at the market with {n} coins.",
        "The shop fills its shelves with {goods} and pays {n} coins in cash.",
        "The farmer is paid {n} coins in cash for {goods}, which the shop will sell.",
    ),
    ("Stock", "Suppliers"): (
        "The shop buys {goods} for {n} coins on credit.",
        "A supplier brings {goods} and a bill of {n} coins, still unpaid.",
        "Goods for sale, {goods}, come in; the supplier is paid {n} coins later.",
        "The shop takes {goods} to sell and owes the supplier {n} coins.",
        "{goods} to sell are delivered, and {n} coins are owed to the supplier.",
        "{goods} for the shelves arrive; the bill of {n} coins is to be paid next month.",
    ),
    ("Cash", "Sales"): (
        "A customer pays {n} coins in cash for {goods}.",
        "{goods} are sold over the counter for {n} coins in cash.",
        "The shop sells {goods} and gets {n} coins at once.",
        "Somebody comes in, takes {goods} and puts down {n} coins.",
        "Somebody buys {goods} in the shop and pays {n} coins in cash.",
        "{goods} leave the shop, and {n} coins go into the till.",
    ),
    ("Customers", "Sales"): (
        "A customer buys {goods} for {n} coins on credit.",
        "{goods} for {n} coins are sold, to be paid next month.",
        "The shop sells {goods}; the customer will pay {n} coins later.",
        "{goods} go to a customer, who owes the shop {n} coins for them.",
        "A customer takes {goods} home and owes the shop {n} coins.",
        "A customer may pay the {n} coins for his {goods} next week.",
    ),
    ("Cash", "Customers"): (
        "A customer pays his old bill of {n} coins in cash.",
        "{n} coins that a customer owed are paid in cash.",
        "A customer settles a debt of {n} coins in cash.",
        "The shop gets {n} coins in cash from a customer who owed them.",
        "A customer brings the {n} coins that he owes the shop.",
        "What a customer owed, {n} coins, comes into the till.",
    ),
    ("Suppliers", "Cash"): (
        "The shop pays a supplier's old bill of {n} coins in cash.",
        "{n} coins owed to a supplier are paid in cash.",
        "The shop settles its debt of {n} coins with a supplier.",
        "A supplier comes and is given the {n} coins that he is owed.",
        "A supplier gets the {n} coins that the shop owes him.",
        "The supplier's unpaid bill of {n} coins is paid in cash today.",
    ),
    ("Rent", "Cash"): (
        "The shop pays the rent of {n} coins in cash.",
        "{n} coins in cash go to the landlord for this month.",
        "For its rooms the shop pays {n} coins in cash.",
        "This month's rent, {n} coins, is paid in cash.",
        "The landlord comes for the rent and gets {n} coins.",
        "The shop's rooms cost {n} coins this month, paid in cash.",
    ),
    ("Wages", "Cash"): (
        "The helper gets a wage of {n} coins in cash.",
        "The shop pays its helper {n} coins in cash for the week.",
        "{n} coins in cash are paid for the work of the helper.",
        "The helper is given {n} coins for her work.",
        "For a week of work the helper is paid {n} coins in cash.",
        "The helper goes home with her wage of {n} coins.",
    ),
    ("Cash", "Capital"): (
        "The owner puts {n} coins of her own money into the till.",
        "The owner invests {n} coins in cash in her shop.",
        "From her own purse the owner adds {n} coins to the till.",
        "The owner starts the shop with {n} coins of her own in cash.",
        "The owner brings {n} coins of her own into the shop.",
        "The till gets {n} coins out of the owner's savings.",
    ),
    ("Drawings", "Cash"): (
        "The owner takes {n} coins from the till for herself.",
        "{n} coins in cash leave the till for the owner's family.",
        "For her private use the owner takes {n} coins in cash.",
        "The owner needs {n} coins at home and takes them from the till.",
        "The owner takes {n} coins out of the till for her holiday.",
        "The owner buys herself a coat with {n} coins from the till.",
    ),
    ("Cash", "Loan"): (
        "The bank lends the shop {n} coins, paid out in cash.",
        "A loan of {n} coins comes in as cash.",
        "The shop borrows {n} coins in cash from the bank.",
        "The bank gives the shop a loan: {n} coins in cash.",
        "The shop takes a new loan and gets {n} coins in cash.",
        "{n} coins that the bank lends come into the till.",
    ),
    ("Loan", "Cash"): (
        "The shop pays back {n} coins of its loan in cash.",
        "{n} coins in cash go to the bank to reduce the loan.",
        "The shop repays {n} borrowed coins to the bank.",
        "The bank gets back {n} coins that it lent the shop.",
        "Part of the loan, {n} coins, is paid back to the bank.",
        "The loan becomes smaller by {n} coins, paid in cash.",
    ),
    ("Equipment", "Cash"): (
        "The shop buys a new oven for {n} coins in cash.",
        "{n} coins in cash are paid for shelves and a scale.",
        "A new sign for the door is bought for {n} coins in cash.",
        "A scale for the shop is paid with {n} coins in cash.",
        "The shop pays {n} coins in cash for a new oven and shelves.",
        "A new scale and a sign cost {n} coins in cash.",
    ),
    ("Heating", "Cash"): (
        "The shop pays {n} coins in cash for coal and firewood.",
        "{n} coins in cash are spent on heating.",
        "For a warm shop {n} coins are paid in cash for coal.",
        "Coal for the stove costs {n} coins, paid in cash.",
        "Firewood to heat the shop is paid with {n} coins in cash.",
        "{n} coins in cash buy the coal that heats the shop.",
    ),
    ("Interest", "Cash"): (
        "The shop pays interest of {n} coins in cash.",
        "{n} coins in cash go to the bank as interest.",
        "The interest on the loan, {n} coins, is paid in cash.",
        "For what it borrowed the shop pays {n} coins of interest.",
        "The bank gets {n} coins of interest in cash.",
        "Interest of {n} coins is paid to the bank in cash.",
    ),
}
"""Debited and credited account with the wordings of a transaction; the last two wordings are for the test set."""

GOODS = (
    "apples",
    "candles",
    "loaves",
    "eggs",
    "jars of honey",
    "bolts of cloth",
    "baskets",
    "pots",
    "cheeses",
    "pears",
)
SIDES = (
    "{story} Which account is {side}ed?",
    "Which account is {side}ed? {story}",
    "{story} Name the account to {side}.",
    "{story} Which account does the bookkeeper {side}?",
)


def draw(rng: Random, held: bool) -> Question:
    """One side of a transaction."""
    sides, stories = rng.choice(list(TRANSACTIONS.items()))
    story = pick(rng, stories, held).format(goods=rng.choice(GOODS), n=rng.randrange(5, 100))
    asked = rng.randrange(2)
    if sides[asked] == "Cash" and rng.random() < 0.5:  # else it would be the answer to half of all questions
        asked = 1 - asked
    story = story[0].upper() + story[1:]
    return Question(pick(rng, SIDES, held).format(story=story, side=("debit", "credit")[asked]), sides[asked])
