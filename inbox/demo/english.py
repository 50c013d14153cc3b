"""What English-speaking customers of the demo company write, and what its team answers. Slots in braces are filled later."""

from __future__ import annotations

from inbox.demo.script import customer, scenario, team

OPENINGS = ("Hello,", "Hi there,", "Dear Hinata team,", "Good morning,", "Hi,")
REPLY_OPENINGS = ("Hi {agent},", "Hello {agent},", "Thanks for the quick reply, {agent}.", "Hi again,")
CLOSINGS = ("Best regards,", "Kind regards,", "Thanks in advance,", "Many thanks,", "Best,")
TEAM_OPENINGS = ("Hello {given},", "Hi {given},", "Dear {given},")
TEAM_CLOSINGS = (
    "If anything is unclear, just reply to this mail.",
    "Please let us know if there is anything else we can do.",
    "Have a good day!",
)
TEAM_SIGNATURE = """-- 
{agent_full}
Hinata Coffee Supply, Yokohama
Weekdays 9:30-18:00 JST
{team_address}"""

NAMES = (
    ("Olivia", "Bennett"), ("James", "Carter"), ("Priya", "Nair"), ("Lukas", "Weber"), ("Sofia", "Rossi"), ("Daniel", "Okafor"),
    ("Hannah", "Lindqvist"), ("Marc", "Dubois"), ("Aisha", "Rahman"), ("Tom", "Sullivan"), ("Mei", "Tan"), ("Noah", "Fischer"),
    ("Grace", "Kim"), ("Peter", "Novák"), ("Chloé", "Martin"), ("Ben", "Hughes"), ("Ines", "Ferreira"), ("Rachel", "Cohen"),
)  # fmt: skip
COMPANIES = (
    ("Blue Door Café", "bluedoor-cafe"), ("Northgate Hotels", "northgate-hotels"), ("Fig & Filter", "figandfilter"),
    ("Larkspur Studio", "larkspur-studio"), ("Harbour Street Coworking", "harbourstreet"), ("Pine & Co. Bakery", "pinebakery"),
    ("Meridian Language School", "meridian-school"), ("Tiny Planet Games", "tinyplanet-games"), ("Kestrel Logistics", "kestrel-logistics"),
    ("Saltwater Books", "saltwater-books"), ("Juniper Dental", "juniper-dental"), ("The Slow Press", "slowpress"),
)  # fmt: skip
PRODUCTS = (
    "HS-200 espresso machine", "Hinata M5 grinder", "paper filters size 03", "Yunagi dark roast 1 kg", "Asamoya medium roast 1 kg",
    "decaf Colombia 500 g", "2.4 l coffee server", "8 oz paper cups (1,000)", "0.9 l drip kettle",
)  # fmt: skip

SCENARIOS = (
    scenario(
        "where-is-my-order",
        ("Where is my order {order}?", "Order {order} has not arrived", "Delivery status, order {order}"),
        customer(
            "I ordered the {product} on {date} and the tracking page has said \"label created\" for four days now.\n"
            "Could you check whether it has actually left your warehouse?",
            "our order {order} was due yesterday, but nothing came. We open a pop-up shop on Saturday and need it before then.\n"
            "Can you tell me where the parcel is?",
        ),
        team(
            "Thank you for your message, and sorry for the wait.\n\nYour parcel left our warehouse this morning. The carrier's new tracking number is "
            "{tracking}; delivery is planned for the day after tomorrow before noon.",
            hours=(1, 8),
        ),
        customer("great, that is in time for us. Thank you!", "thanks for checking, I can see it moving now.", hours=(1, 12)),
    ),
    scenario(
        "refund",
        ("Refund for order {order}", "I would like to return an item", "Wrong item received, order {order}"),
        customer(
            "I received the {product}, but I had ordered a different size. It is unopened.\n"
            "How do I send it back, and will I get a refund or store credit?",
            "please cancel order {order} and refund my card. I ordered twice by mistake.",
        ),
        team(
            "Of course. You can return unopened items within 14 days:\n\n1. Open Hinata Portal > Orders > {order}\n2. Press \"Return items\"\n"
            "3. Print the label that we send you\n\nWe refund your card within three working days after the parcel reaches us.",
            hours=(2, 20),
        ),
        customer("done, the parcel went out today. Could you confirm once it has arrived?", hours=(20, 60)),
        team("Your parcel arrived this morning. We have refunded {amount} yen to the card ending in {last4}.", hours=(50, 120)),
        customer("I can see the refund on my statement. Thank you for making this easy.", hours=(20, 80)),
    ),
    scenario(
        "login",
        ("Cannot sign in to Hinata Portal", "Password reset mail never arrives", "Locked out of our account"),
        customer(
            "since this morning I cannot sign in. The page says \"wrong user name or password\", although I have not changed anything.\n"
            "I asked for a reset mail three times and none has arrived (spam folder checked).",
            "I changed my phone and the six-digit code is no longer accepted. Our weekly order closes at 5 pm today, so this is a bit urgent.",
        ),
        team(
            "Sorry about that. Your account was locked for safety after several wrong passwords. I have unlocked it and sent a new reset link "
            "to this address. It works for 60 minutes.",
            "Sorry about that. To protect your account, could you reply with the number of your last order? Then I can reset the second factor right away.",
            hours=(1, 4),
        ),
        customer("that worked, I am in again. Thanks!", "it is {order}.", hours=(1, 4)),
    ),
    scenario(
        "invoice-copy",
        ("Invoice copy with VAT number", "Invoice for {month}", "Please correct our billing address"),
        customer(
            "our accountant needs a copy of the invoice for order {order} ({amount} yen), with our company name and tax number on it:\n\n"
            "{company}\nVAT GB 123 {last4} 56\n\nCould you send a corrected PDF?",
            "we moved offices last month. Could you reissue the last invoice with our new address? The old one cannot be booked.",
        ),
        team("Please find the corrected invoice attached. I have changed the address in your account, so future invoices will show it too.", attach="invoice", hours=(2, 20)),
        customer("received, thank you.", hours=(1, 24)),
        billing=True,
    ),
    scenario(
        "quote",
        ("Quote for {qty} x {product_short}", "Bulk order for our new location", "Request for a quotation"),
        customer(
            "we are opening a second location in {season} and would like a quote for:\n\n- {qty} x {product}\n- 20 packs of paper filters size 03\n"
            "- 5 boxes of 8 oz cups\n\nPlease include shipping. Do you offer a discount for repeat orders?",
            "could you send me a formal quotation for {qty} units of the {product}? I need it for our budget meeting on {date}.",
        ),
        team(
            "Thank you for thinking of us. The quotation is attached: {amount} yen including shipping, valid for 30 days. "
            "From the second order on you get 5 % off automatically.",
            attach="quote",
            hours=(3, 24),
        ),
        customer("the quote looks good. Please go ahead and send us the order confirmation.", "one question: is the price the same if we split it into two deliveries?", hours=(20, 90)),
        team("Thank you! Your order number is {order}. We will write again as soon as it ships. Splitting it into two deliveries is possible at the same price.", hours=(1, 10)),
    ),
    scenario(
        "damaged",
        ("Item arrived damaged", "Broken {product_short}, order {order}", "Cracked on arrival"),
        customer(
            "the {product} from order {order} arrived today with a crack along the side. I attach a photo.\nWhat should I do with it?",
            "the box was open when the courier handed it over and one part is missing. Photo attached.",
            attach="photo",
        ),
        team(
            "I am very sorry. Thank you for the photo, that helps.\n\nA replacement leaves today with tracking number {tracking}. The courier takes the damaged item "
            "with them, so you do not need to send anything.",
            hours=(1, 6),
        ),
        customer("the replacement came this morning and is perfect. Thanks for sorting this out so fast.", hours=(30, 70)),
    ),
    scenario(
        "csv-bug",
        ("Bug: exported CSV shows question marks", "Export is broken since the last update", "Garbled names in the order export"),
        customer(
            "since last week's update, exported order lists show \"?\" instead of accented letters (\"Caf?\" instead of \"Café\").\n\n"
            "Steps:\n1. Orders > Export > CSV\n2. Open in Excel\n\nExpected: Café. Actual: Caf?. A screenshot is attached.",
            attach="screenshot",
        ),
        team(
            "Thank you for the clear report. We can reproduce it: the file lost its encoding mark in the update. A fix is being tested; until then, "
            "import the file with \"Data > From text\" and choose UTF-8.",
            hours=(3, 24),
        ),
        customer("the workaround is fine for now. Please tell me when the fix is live.", hours=(1, 20)),
        team("The fix went live at noon today. Could you try once more?", hours=(40, 90)),
        customer("works perfectly, thanks.", hours=(2, 30)),
    ),
    scenario(
        "onboarding",
        ("How do I add my team?", "Setting up a second shop", "Getting started questions"),
        customer(
            "I signed up yesterday and have two questions:\n\n1. How do I add colleagues who may order but not see prices?\n"
            "2. Can each shop have its own delivery address?",
            "is there a guide for moving our order history from a spreadsheet? I attach the columns we use.",
            attach="list",
        ),
        team(
            "Welcome aboard!\n\n1. Settings > Members > Invite, and choose the role \"Order only\". Prices and invoices are hidden for it.\n"
            "2. Yes: Settings > Shops > Add shop. Address, opening hours and the order deadline are set per shop.",
            hours=(1, 12),
        ),
        customer("found it, both work. The deadline per weekday is a nice touch.", hours=(2, 30)),
    ),
    scenario(
        "subscription",
        ("Pause our bean subscription", "Changing our monthly order", "Skip next delivery"),
        customer(
            "we close for renovation next month. Can we skip one delivery of the {product} and continue after that?",
            "please raise our monthly order of {product} to {qty} bags, starting with the next delivery.",
        ),
        team("Done. You can see the next delivery under \"Subscription\" in the portal, and change it up to five days before it ships.", hours=(1, 12)),
    ),
    scenario(
        "complaint",
        ("Third time I am asking", "Disappointed with your support", "Still no answer about {order}"),
        customer(
            "this is the third mail I am sending about order {order}. Twice I was told that somebody would call me back, and nobody did.\n"
            "I have been a customer for four years and I am honestly close to looking elsewhere. Please give me a clear answer today.",
        ),
        team(
            "You are right to be annoyed, and I apologise. Your first two mails were answered by two colleagues who each thought the other would call. "
            "That should not happen.\n\nYour order ships today by express at our cost; the tracking number is {tracking}. "
            "I will stay your contact until it has arrived.",
            hours=(1, 3),
        ),
        customer("thank you for the honest answer. The parcel came. Let us hope it stays that way.", hours=(24, 50)),
        urgent=True,
    ),
    scenario(
        "feature-request",
        ("Feature request: reorder by QR code", "Idea for the portal", "Could you add dark mode?"),
        customer(
            "our staff would love to scan a QR code on the shelf to reorder. Is something like that planned?",
            "small suggestion: on a phone the order button sits below the fold. Moving it up would save us a lot of scrolling.",
        ),
        team("Thank you, we like that. I have added your vote to the idea on our list and will tell you when there is news.", hours=(4, 40)),
    ),
    scenario(
        "data-request",
        ("Request for a copy of our data", "Privacy question", "Deleting a former employee's account"),
        customer(
            "a colleague has left our company. Please delete the account and the personal data that belong to it, and confirm when this is done.",
            "please send me a copy of all personal data that you hold about me, as the law provides.",
        ),
        team(
            "We have received your request and will complete it within 30 days; usually it takes less than a week. Records of orders must be kept by law, "
            "but they no longer carry the person's name.",
            hours=(3, 30),
        ),
        customer("thank you for confirming.", hours=(2, 30)),
    ),
    scenario(
        "warranty",
        ("Warranty: machine is leaking", "HS-200 makes a rattling noise", "Repair for our espresso machine"),
        customer(
            "our HS-200 has been leaking since yesterday, about half a cup an hour. It is 14 months old. Is this covered by the warranty?",
        ),
        team(
            "Please switch the machine off until we know more. Could you send me the serial number (label at the back) and a photo of the leak?",
            hours=(1, 5),
        ),
        customer("serial number HS2-{last4}37, photo attached.", attach="photo", hours=(1, 10)),
        team(
            "Thank you. It is the seal of the inlet hose, and the warranty covers it (24 months). A technician can come on {date} at 9:00 or at 14:00. Which suits you?",
            hours=(2, 10),
        ),
        customer("9:00 please. Ring the bell at the back door.", hours=(1, 10)),
    ),
    scenario(
        "api",
        ("API rate limit", "403 from /v1/orders", "Question about webhooks"),
        customer(
            "I am connecting our stock system and get this:\n\n    GET /v1/orders?since={isodate}\n    403 {{\"error\": \"missing scope orders:read\"}}\n\n"
            "Which permission is missing? And how many calls per minute are allowed?",
            "do you retry webhooks when our server is down for maintenance? If so, for how long?",
        ),
        team(
            "The key needs the permission \"Read orders\": Settings > API > New key. The limit is 60 calls a minute. "
            "Webhooks are tried again for 24 hours with growing pauses.",
            hours=(2, 20),
        ),
        customer("thanks, that did it.", hours=(1, 20)),
    ),
)
