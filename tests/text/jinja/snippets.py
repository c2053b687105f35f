"""Small templates that go through the language construct by construct, with the variables that all of them see."""

VARIABLES = {
    "s": "Hello, World",
    "u": "Grüße ß ΣΑΣ 世界 👩‍👧 ﬁ ǆ İ",
    "lines": "one\n two\r\n\n  three\tx \u2028four",
    "blank": " \t\n x \u00a0\u3000",
    "empty": "",
    "quotes": "it's \"so\"\\ \x00\x1b\x7f\u200b\ud7ff",
    "n": 7,
    "m": -3,
    "f": 2.5,
    "big": 9007199254740993,
    "tiny": 1e-7,
    "huge": 1e22,
    "yes": True,
    "no": False,
    "nil": None,
    "l": [3, 1, 2],
    "words": ["pear", "Apple", "fig", "apple", "Fig"],
    "mixed": [1, "a", None, True, 2.0, [1, [2]], {"k": "v"}],
    "d": {"b": 1, "a": 2, "C": 3},
    "deep": {"x": {"y": [{"z": "found"}]}, "items": "hidden", "k v": 1},
    "people": [
        {"name": "Ana", "age": 31, "tags": ["x"], "job": {"title": "Cook"}},
        {"name": "bob", "age": 25, "tags": [], "job": {"title": "Baker"}},
        {"name": "Cy", "age": 31, "tags": ["x", "y"]},
    ],
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}, {"v": 5, "c": []}],
}

EXPRESSIONS = r"""
1 + 2 * 3
(1 + 2) * 3
7 // 2 ~ ' ' ~ -7 // 2 ~ ' ' ~ 7 // -2
7 % 3 ~ ' ' ~ -7 % 3 ~ ' ' ~ 7 % -3 ~ ' ' ~ -7.5 % 2 ~ ' ' ~ 7.5 // -2
7 / 2
6 / 2
1 / 0
1 // 0
1 % 0
1.0 / 0
2 ** 10
2 ** -1
2 ** 0.5
-2 ** 2
2 ** 3 ** 2
0 ** 0
0 ** -1
10 ** 18
1_000 + 0x1F + 0b101 + 0o17
0xff_ff
1e3
1.5e-3
1E+2
1_0.2_5
.5
5.
1e400
-1e400
1e-400
0
00
007
-n ~ +m
- -n
not not n
-s
+s
-true
true + true
n + f
n + s
s + n
s + nil
nil + s
l + [4]
l + (4,)
(1,) + (2, 3)
d + d
s * 3
3 * s
s * -1
l * 2
s * f
s - s
big + 1
big * 1.0
tiny
huge
f * 1e20
1e15
1e16
123456789012345680.0
0.1 + 0.2
1/3
-0.0
1e-5
0.0001
true
false
none
True
False
None
s
nil
yes
d
l
mixed
deep
quotes
[quotes]
[u]
[lines]
[blank]
['\'']
['"']
['\'"']
['\\']
(1,)
()
(1, 2)
1, 2
[]
{}
[[], {}, ()]
{'a': 1, 'a': 2}
{1: 'x', 1.0: 'y', true: 'z'}
{1: 2, none: 3, 2.5: 4}
{[1]: 2}
{'a': 1,}
[1, 2,]
{'a': {'b': {'c': 1}}}.a.b.c
'a' 'b' "c"
'a\nb\tc\\d\'e\x41\u00e9\U0001F600\101\q'
'\
x'
"multi
line"
a ~ b
'x' ~ 1 ~ none ~ true ~ 1.5 ~ [1] ~ missing
n == 7
n == 7.0
n != 7
n < 8 < 9
n < 8 > 9
n < s
s < 'Z'
'a' < 'B'
'é' < 'z'
[1, 2] < [1, 3]
[1, 'a'] < [1, 2]
(1, 2) < (1, 2, 3)
[1] < (2,)
nil < 1
nil == none
[1, 2.0, true] == [1.0, 2, 1]
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
(1, 2) == [1, 2]
missing == missing
missing == other
missing == none
missing != 1
missing < 1
missing + 1
1 + missing
missing.x
missing['x']
missing()
missing[1:]
-missing
missing in l
1 in missing
missing in s
missing in d
1 in l
5 in l
5 not in l
not 5 in l
'Hello' in s
'' in s
1 in s
'a' in d
'z' not in d
[1] in d
none in mixed
1 in n
[1, [2]] in mixed
'ana' in people
n and s
no and s
no or s
empty or nil or 'x'
n or 1/0
no and 1/0
not l
not []
not {}
not missing
n if yes else s
n if no else s
n if no
(n if no) is defined
(n if no).x
1 if no else 2 if no else 3
(1 if yes) + 1
1 if yes if no
s[0] ~ s[-1] ~ s[4]
s[100]
s[100] is defined
s[0:5]
s[:-7]
s[::2]
s[::-1]
s[5:2]
s[5:1:-1]
s[-100:100]
s[::0]
s['a':]
s[none:none:none]
u[1:6] ~ u[-3:] ~ u[::-1]
u[0] ~ u[-1] ~ u[8]
l[0] ~ l[-1]
l[3]
l[3] is undefined
l['a']
l[1.0]
l[true]
l[0:2]
l[::-1]
mixed[1:3]
(1, 2, 3)[1:]
range(10)[2:8:3] | list
n[0]
nil[0]
d['a'] ~ d.a ~ d.b
d['zz']
d.zz
d.zz is defined
d.zz.yy
d[1]
d[[1]]
d[1:2]
deep.x.y[0].z
deep['x']['y'][-1]['z']
deep.items()
deep['items']
deep['keys']()
deep['k v']
l.0
people.0.name
people[0].job.title
people.2.job.title
d.items()
d.keys()
d.values()
d.items() | list
d.keys() | list
d.values() | list
d.get('a')
d.get('z')
d.get('z', 9)
d.get('z', default=9)
d.get([1])
d.copy()
s.strip(chars='H')
s.replace(old='l', new='L')
s.splitlines(keepends=true)
l.index(value=1)
d.pop('a')
d.pop is defined
d.update({'x': 1})
d.nothing()
l.append(4)
l.index(2)
l.index(9)
l.count(1)
l.copy()
l.sort()
(1, 2, 1).count(1)
s.upper()
s.lower()
s.title()
"they're bill's x-y friends".title()
'ab1cd'.title()
s.capitalize()
s.swapcase()
u.upper()
u.lower()
u.title()
u.capitalize()
u.swapcase()
'ΑΣ ΑΣΑ Σ ΑΣ.'.lower()
'hello wORLD'.capitalize()
blank.strip() ~ '|'
blank.lstrip() ~ '|'
blank.rstrip() ~ '|'
s.strip('Hd')
s.strip('')
s.strip(none)
'世界x世'.strip('世')
'xxabcxx'.lstrip('x') ~ 'xxabcxx'.rstrip('x')
s.split()
s.split(', ')
s.split(',', 1)
'a,b,c'.split(',', 1)
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.rsplit(',', 1)
'a,b,c'.split(sep=',')
' a  b c '.split()
' a  b c '.split(none, 1)
' a  b c '.rsplit(none, 1)
' a  b c '.split(' ')
''.split()
''.split(',')
s.split('')
'aXXbXXc'.split('XX')
lines.splitlines()
lines.splitlines(true)
''.splitlines()
'a\n'.splitlines()
s.replace('l', 'L')
s.replace('l', 'L', 1)
s.replace('', '-')
''.replace('', 'x')
s.replace('o', '')
s.replace(1, 2)
s.startswith('Hell')
s.startswith(('x', 'He'))
s.startswith(['x'])
s.startswith('World', 7)
s.startswith('')
s.endswith('World')
s.endswith(('d', 'x'))
s.endswith('Hello', 0, 5)
s.find('o')
s.find('o', 5)
s.find('zz')
s.find('o', -4)
s.find('')
s.find('', 100)
u.find('世')
s.rfind('o')
s.index('W')
s.index('zz')
s.rindex('l')
s.count('l')
s.count('')
'aaaa'.count('aa')
', '.join(['a', 'b'])
''.join([])
','.join('abc')
','.join([1])
','.join(d)
s.partition(', ')
s.partition('zz')
s.rpartition('o')
s.rpartition('zz')
s.removeprefix('Hello')
s.removesuffix('World')
'5'.zfill(3) ~ '-5'.zfill(4) ~ '+5'.zfill(1)
'ab'.center(7, '*') ~ 'ab'.center(6) ~ '|'
'abc'.center(6, '*')
'ab'.ljust(5, '.') ~ 'ab'.rjust(5)
'ab'.center(5, 'xy')
'abc'.isalpha() ~ 'ab1'.isalnum() ~ '12'.isdigit() ~ ' \t'.isspace() ~ ''.isspace()
'ABC1'.isupper() ~ 'abc1'.islower() ~ '12'.isupper() ~ 'é'.isascii() ~ ''.isascii() ~ '½'.isalnum()
'1²'.isdigit() ~ '1²'.isdecimal()
'{} and {}'.format(1, 'x')
'{1} {0}'.format(1, 'x')
'{a}-{b}'.format(a=1, b=[2])
'{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd')
'{:05d} {:+d} {:,} {:x} {:#X} {:b} {:e}'.format(42, 42, 1234567, 255, 255, 5, 12345.678)
'{:.2f} {:8.3f} {:.0f} {:.1%} {:g}'.format(3.14159, 2.5, 2.5, 0.256, 1e10)
'{{}} {!r} {!s}'.format('x', 'y')
'{0.name}'.format(people[0])
'{0[name]} {1[0]}'.format(people[0], l)
'{} {0}'.format(1)
'{} {}'.format(1)
'{'.format(1)
'{x}'.format(1)
'{:d}'.format('a')
'{:_}'.format(1234567)
'%s is %d and %5.1f|%-5s|%05d|%x' % ('a', 3.9, 2.25, 'b', 42, 255)
'%s' % 'x'
'%s' % [1, 2]
'%s' % ((1, 2),)
'%(a)s %(b)r' % {'a': 'x', 'b': 'y'}
'%%' % ()
'%d' % 'a'
'%s %s' % ('a',)
'%s' % ('a', 'b')
'abc' % 1
'abc' % [1]
'%s' % missing
'%.3s|%6.2s|' % ('abcdef', 'abc')
'%+d % d %e %g %G' % (5, 5, 12345.678, 0.00001, 1e20)
'%z' % 1
s | upper
s | lower
s | title
"it's a-b (c) <d> {e} [f] 1x" | title
s | capitalize
s | length
u | length
l | length
d | length
n | length
nil | length
missing | length
s | trim
blank | trim
'xxaxx' | trim('x')
nil | trim
n | trim
s | replace('l', 'L')
s | replace('l', 'L', 1)
n | replace(7, 8)
nil | replace('None', 'x')
s | reverse
l | reverse | list
d | reverse | list
n | reverse
l | first
l | last
[] | first
[] | first is defined
[] | last
s | first ~ s | last
d | first
d | last
n | first
l | list
s | list
d | list
nil | list
missing | list
l | join(', ')
l | join
words | join(',', attribute=0)
people | join(', ', attribute='name')
people | join(', ', 'job.title')
s | join('-')
mixed | join('|')
nil | join
l | sum
l | sum(start=10)
people | sum(attribute='age')
words | sum
[] | sum
[[1], [2]] | sum(start=[])
l | min ~ l | max
words | min ~ words | max
words | max(case_sensitive=true)
people | min(attribute='age')
[] | max
[1, 'a'] | max
l | sort
l | sort(reverse=true)
words | sort
words | sort(case_sensitive=true)
words | sort(true, true)
people | sort(attribute='name') | map(attribute='name') | list
people | sort(attribute='age,name', reverse=true) | map(attribute='name') | list
people | sort(attribute='age') | map(attribute='name') | list
people | sort(reverse=true, attribute='age') | map(attribute='name') | list
[1, 'a'] | sort
d | sort
s | sort
words | unique | list
words | unique(true) | list
people | unique(attribute='age') | map(attribute='name') | list
[1, 1.0, true, 'a', 'A'] | unique | list
[[1], [1]] | unique | list
d | dictsort
d | dictsort(true)
d | dictsort(by='value', reverse=true)
d | dictsort(false, 'x')
l | dictsort
d | items | list
missing | items | list
l | items | list
words | batch(2) | list
words | batch(3, 'x') | list
words | map('upper') | list
words | map('replace', 'p', 'P') | join
words | map('length') | list
people | map(attribute='name') | list
people | map(attribute='job.salary', default='none') | list
people | map(attribute='tags.0', default='-') | list
people | map(attribute='job.title') | list
people | map('nofilter') | list
people | map | list
nil | map('upper') | list
n | map('upper') | list
words | map('upper') | length
words | map('upper') | first
words | map('upper') | last
l | select('odd') | list
l | select | list
mixed | select | list
mixed | select('string') | list
mixed | reject('none') | list
l | select('>', 1) | list
l | select('in', [1, 2]) | list
l | reject('equalto', 2) | list
people | selectattr('tags') | map(attribute='name') | list
people | selectattr('name', 'equalto', 'Ana') | list
people | selectattr('age', '>', 30) | map(attribute='name') | join(',')
people | selectattr('job', 'defined') | map(attribute='name') | join(',')
people | rejectattr('job.title') | list
people | rejectattr('job') | map(attribute='name') | list
people | selectattr('name', 'nosuch') | list
missing | selectattr('x') | list
missing | default('x')
nil | default('x')
nil | default('x', true)
empty | default('x', boolean=true)
n | d('x')
missing | default
missing.x | default('y')
d.x | default('y')
n | string
[1] | string ~ nil | string
n | float
'3.7' | float
'x' | float
'x' | float(1.5)
' 1_0.5e1 ' | float
'inf' | float
'nan' | float
nil | float
missing | float
'42' | int
' -42 ' | int
'42.9' | int
f | int
m | int
'x' | int
'x' | int(5)
'x' | int(default=none)
'ff' | int(base=16)
'0xff' | int(0, 16)
'0b11' | int(base=2)
'1_000' | int
'1__0' | int
'' | int
'+5' | int
'1e3' | int
nil | int
[] | int
yes | int
missing | int
'inf' | int
m | abs ~ -2.5 | abs
s | abs
2.5 | round ~ ' ' ~ 3.5 | round ~ ' ' ~ -2.5 | round
2.675 | round(2)
1234.5678 | round(2) ~ ' ' ~ 1234.5678 | round(-2) ~ ' ' ~ 1250 | round(-2)
2.1 | round(method='ceil') ~ ' ' ~ 2.9 | round(0, 'floor') ~ ' ' ~ 2.15 | round(1, 'ceil')
7 | round
7 | round(1, 'ceil')
s | round
2.5 | round(1, 'other')
s | indent
lines | indent
lines | indent(2, true)
lines | indent('> ', blank=true)
lines | indent(first=true)
'a\n\nb\n' | indent(2)
'' | indent
nil | indent
missing | indent
s | center(20) ~ '|'
s | wordcount
u | wordcount
'foo bar baz qux' | truncate(9)
'foo bar baz qux' | truncate(9, true)
'foo bar baz qux' | truncate(11)
'foo bar baz qux' | truncate(11, false, '..', 0)
s | truncate(2)
'%s-%d' | format('a', 3)
'%(x)s' | format(x=1)
d | tojson
mixed | tojson
deep | tojson
u | tojson
quotes | tojson
lines | tojson(ensure_ascii=true)
u | tojson(true)
d | tojson(indent=2)
mixed | tojson(indent=2)
[[], {}] | tojson(indent=1)
d | tojson(indent='\t')
d | tojson(indent=0)
d | tojson(separators=(',', ':'))
d | tojson(separators=[',', ':'], indent=2)
d | tojson(sort_keys=true)
{1: 2, none: 3, true: 4, 2.5: 5} | tojson
(1, 2) | tojson
tiny | tojson ~ huge | tojson ~ 1e16 | tojson ~ f | tojson
missing | tojson
range(3) | tojson
d.items() | tojson
'<a href="x">&\'</a>' | tojson
'<a href="x">&\'</a>' | escape
'<b>' | e
'<b>' | safe
('<b>' | safe) + '<i>'
'<i>' + ('<b>' | safe)
('<b>' | safe) ~ '<i>'
('<b>' | e) | upper
('<b>' | escape) | e
('<b>' | escape) | forceescape
('<b>' | safe) | length
['<b>' | safe]
('<b>' | safe) == '<b>'
'<' in ('<b>' | safe)
d | attr('a')
d | attr('items') is callable
s | nofilter
s is string
s is nosuch
n is number ~ f is number ~ yes is number ~ s is number
n is integer ~ f is integer ~ yes is integer
n is float ~ f is float
yes is boolean ~ n is boolean
yes is true ~ no is false ~ 1 is true
nil is none ~ missing is none
missing is defined ~ n is defined
missing is undefined ~ n is undefined
n is odd ~ n is even ~ m is odd
f is odd
s is odd
n is divisibleby 7 ~ n is divisibleby(2)
s is mapping ~ d is mapping ~ l is mapping
s is sequence ~ d is sequence ~ l is sequence ~ n is sequence ~ nil is sequence ~ missing is sequence
s is iterable ~ d is iterable ~ n is iterable ~ missing is iterable ~ nil is iterable
d.items() is sequence ~ d.items() is iterable ~ range(2) is sequence
(words | map('upper')) is sequence ~ (words | map('upper')) is iterable
s is lower ~ 'abc' is lower ~ 'ABC' is upper
n is eq 7 ~ n is eq(8) ~ n is equalto 7 ~ n is ne 7
n is gt 3 ~ n is lt 3 ~ n is ge 7 ~ n is le 7 ~ n is greaterthan 9 ~ n is lessthan 9
n is in [7] ~ n is not in [7] ~ 'H' is in s
nil is sameas none ~ yes is sameas true ~ n is sameas 7
n is not none
n is not string and yes
n is defined and n is odd or no
not n is string
n is string or yes
range is callable ~ n is callable ~ missing is callable
'upper' is filter ~ 'nosuch' is filter ~ 'odd' is test
n is defined is true
n is divisibleby
n is string(1)
('<b>' | safe) is escaped ~ s is escaped
range(5) | list
range(2, 8, 3) | list
range(5, 0, -2) | list
range(1, 2, 0)
range(3.5)
range('a')
range()
range(100001)
range(100000) | length
range(3) == range(0, 3)
range(5)[-1]
2 in range(5)
dict(a=1, b=2)
dict({'x': 1}, y=2)
dict([('a', 1), ('b', 2)])
dict([1])
namespace(a=1).a
namespace({'a': 2}).a
namespace(a=1).b is defined
namespace(a=1)['a']
namespace(_a=1)
raise_exception('boom ' ~ n)
raise_exception()
strftime_now('%Y-%m-%d %H:%M:%S %j %A %d %b %% %z|%Z|')
strftime_now('')
n()
s()
s.nothing is defined
s.nothing
s.nothing()
[1, 2, 3][1:] + [4]
(s)
((s))
(s)[0]
(s | upper)[0]
s | upper ~ '!'
s ~ '!' | upper
(s ~ '!') | upper
-1 | abs
-f | int
2 * 3 | string
1 + 2 | string
'a' + 'b' | upper
not yes | string
l | map('string') | join('+') ~ '=' ~ l | sum
[s, n] | map('string') | list
{'k': l}['k'][0]
'%s' | format(none)
l == [3, 1, 2] and s == 'Hello, World'
s.split(', ')[1].lower()[0]
people | map(attribute='name') | map('lower') | sort | join(' ')
people[0]['name'] if people else 'none'
people[1:] | length
(people | last).name
people | selectattr('age', 'ge', 31) | list | length
d.items() | map('first') | list
d.items() | map('last') | sum
dict(d.items() | list) == d
d | list | sort
s.__class__
s.__class__ is defined
d.__init__
l.__len__()
n.x
n.x is defined
f.x
nil.x
nil.strip()
n.strip()
yes.x
'a'.b.c
a.b
x is y
[1, 2
(1, 2
{'a' 1}
1 +
1 2
s s
| upper
s |
s | 1
s is
s.
s.'a'
s[
f(
f(a=1, 2)
f(*l, *l)
'abc
@
$x
s ! n
s & n
1 <> 2
a = 1
[for x in l]
x if
{% if %}
}}
""".strip("\n")

TEMPLATES = [
    # White space control, with trim_blocks and lstrip_blocks.
    "a\n  {% if yes %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%- if yes -%}\n  b\n  {%- endif -%}\nc\n",
    "a\n  {%+ if yes +%}\n  b\n  {%+ endif +%}\nc\n",
    "a\n  {# x #}\n  b {# y #} c {#- z -#}  d\n  {#+ w +#}\n",
    "a\n  {{ n }}\n  b {{- n -}} c\n\n {{- n }}\n",
    "  {{ n }}  \n",
    "{{ n }}\n\n",
    "{{ n }}\r\n\r\nx\ry",
    "\n\n{{ n }}",
    "{% if yes %}\n\n  x\n\n{% endif %}\n\n",
    "  \t {% if yes %}x{% endif %}  \n y",
    "x {% if yes %} y {% endif %} z",
    "{%- raw %}  {{ n }} {% if %} {# #}\n{% endraw -%}\n  x",
    "  {% raw %}\n a {{ b }}\n  {% endraw %}\n c",
    "{% raw -%}  \n x {%- endraw %} y",
    "{%\traw\t%}a{%\tendraw\t%}b",
    "{{ '{{' }} {{ '{%' }} {{ '}}' }}",
    "{ { n } } {n} {% if yes %}{{% endif %}",
    "{{{'a': {'b': 1}}}}",
    "{{ {'a': 1}.a}}",
    "{{\n  n\n  |\n  string\n}}",
    "\u00a0{%- if yes -%}\u2003x\u3000{%- endif %}",
    "a\u00a0\n\u2003{% if yes %}\nx{% endif %}",
    "{#unclosed", "{{ n", "{% if yes", "{% raw %} x", "{% if yes %}", "{% endif %}", "{% for %}", "{% nosuch %}",
    "{% if yes %}{% endfor %}", "{% 1 %}", "{% %}", "{{ }}", "{{ n %}", "{% if n }}", "{% if yes: %}x{% endif %}",
    # Conditions.
    "{% if no %}a{% elif n == 7 %}b{% elif yes %}c{% else %}d{% endif %}",
    "{% if no %}a{% elif nil %}b{% else %}d{% endif %}",
    "{% if missing %}a{% else %}b{% endif %}",
    "{% if missing.x %}a{% endif %}",
    "{% if n, m %}t{% endif %}",
    "{% if 0.0 or '' or [] or {} or () or none %}t{% else %}f{% endif %}",
    "{% if n %}{% if m %}{% if no %}x{% else %}y{% endif %}{% endif %}{% endif %}",
    "{% if n if yes else no %}x{% endif %}",
    "{% else %}",
    # Loops.
    "{% for x in l %}{{ x }}{{ ',' if not loop.last }}{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}"
    "{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for x in l %}[{{ loop.previtem }}|{{ loop.nextitem }}]{% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in l %}{{ loop.nosuch }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle() }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d | dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [1, 2] %}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for a, b in ['xy'] %}{{ b }}{{ a }}{% endfor %}",
    "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% for x in n %}{% endfor %}",
    "{% for x in nil %}{% endfor %}",
    "{% for x in missing %}a{% else %}none{% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}",
    "{% for x in l %}a{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.revindex }}{% endfor %}",
    "{% for p in people if p.age > 30 and p.job is defined %}{{ p.name }}{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
    "{% for x in range(3) %}{% for y in range(2) %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% break %}{% else %}e{% endfor %}",
    "{% for x in l %}{{ x }}{% continue %}{% else %}e{% endfor %}",
    "{% for x in l %}{% for y in l %}{% break %}{% endfor %}{{ x }}{% endfor %}",
    "{% break %}",
    "{% for x in l %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in l %}{% set y = x %}{% endfor %}{{ y is defined }}",
    "{% set y = 0 %}{% for x in l %}{{ y }}{% set y = x %}{{ y }}{% endfor %}{{ y }}",
    "{% for x in l %}{% endfor %}{{ x is defined }}",
    "{% set x = 9 %}{% for x in l %}{{ x }}{% endfor %}{{ x }}",
    "{% for l in l %}{{ l }}{% endfor %}{{ l }}",
    "{% for x in words | map('upper') %}{{ x }}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% set g = words | map('upper') %}{{ g | list }}{{ g | list }}",
    "{% set ns = namespace(go=true) %}{% for x in l if ns.go %}{{ x }}{% set ns.go = false %}{% endfor %}",
    "{% set ns = namespace(go=true) %}{% for x in l if ns.go %}{{ x }}{{ loop.last }}{% set ns.go = false %}{% endfor %}",
    "{% set ns = namespace(go=true) %}{% for x in l if ns.go %}{{ x }}{{ loop.length }}{% set ns.go = false %}{% endfor %}",
    "{% for x in tree recursive %}{{ x.v }}{{ loop.depth }}{% if x.c %}({{ loop(x.c) }}){% endif %}{% endfor %}",
    "{% for x in tree %}{{ loop(x.c) }}{% endfor %}",
    "{% for x in tree recursive %}{% set y = x.v %}{{ loop(x.c) }}{{ y }}{% endfor %}",
    "{{ loop is defined }}{% for x in l %}{{ loop is defined }}{% endfor %}",
    "{% for x in l %}{{ loop.index }}{% if loop.index == 2 %}{% set stop = 1 %}{% endif %}{{ stop is defined }}{% endfor %}",
    "{% for true in l %}{% endfor %}",
    "{% for x.y in l %}{% endfor %}",
    "{% for x in l: %}{{ x }}{% endfor %}",
    # Assignments.
    "{% set a = 1 %}{{ a }}{% set a = a + 1 %}{{ a }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}",
    "{% set (a, b) = [1, 2] %}{{ a }}{{ b }}",
    "{% set a, b = 1 %}",
    "{% set a = 1, %}{{ a }}",
    "{% set ns = namespace(x=1) %}{% set ns.x = ns.x + 1 %}{{ ns.x }}{{ ns.y is defined }}{% set ns.y = 3 %}{{ ns.y }}",
    "{% set ns = namespace() %}{% for x in l %}{% set ns.last = x %}{% endfor %}{{ ns.last }}",
    "{% set d.x = 1 %}",
    "{% set nosuch.x = 1 %}",
    "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}",
    "{% set a %}x {{ n }} y{% endset %}[{{ a }}]",
    "{% set a | upper | trim %} x {{ s }} y {% endset %}[{{ a }}]",
    "{% set a %}{% set b = 1 %}{% endset %}{{ b is defined }}",
    "{% if yes %}{% set a = 1 %}{% endif %}{{ a }}",
    "{% if no %}{% set n = 1 %}{% endif %}{{ n }}",
    "{% if no %}{% set q = 1 %}{% endif %}{{ q is defined }}",
    "{% set n = n + 1 %}{{ n }}",
    "{% set l = l[1:] %}{% for x in l %}{{ x }}{% endfor %}",
    "{% set true = 1 %}", "{% set 1 = 1 %}", "{% set a.b.c = 1 %}", "{% set a[0] = 1 %}", "{% set %}", "{% set a %}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}",
    "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a is defined }}",
    "{% filter upper %}a{{ s }}{% endfilter %}",
    "{% filter replace('a', 'b') | upper %}banana{% endfilter %}",
    "{% filter nosuch %}{% endfilter %}",
    "{% print 1, 'a' %}",
    "{% generation %}a{{ n }}{% set z = 1 %}{% endgeneration %}{{ z is defined }}",
    "{% for x in l %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    # Macros.
    "{% macro f(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(1, c=4) }}{{ f(b=1, a=0) }}",
    "{% macro f(a) %}[{{ a }}]{{ a is defined }}{% endmacro %}{{ f() }}",
    "{% macro f(a) %}{{ a.x }}{% endmacro %}{{ f() }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(b=2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}{{ f() }}",
    "{% macro f(a) %}{{ a }}{{ varargs }}{% endmacro %}{{ f(1, 2, 3) }}",
    "{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}",
    "{% macro f(a=n) %}{{ a }}{% endmacro %}{{ f() }}",
    "{% macro f(a=1, b) %}{% endmacro %}",
    "{% macro f(x) %}{{ x }}{% if x > 0 %}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro f(x) %}{% if x %}{{ f(x) }}{% endif %}{% endmacro %}{{ f(0) }}",
    "{% macro f() %}{{ y }}{% endmacro %}{% set y = 1 %}{{ f() }}{% set y = 2 %}{{ f() }}",
    "{% macro f() %}{% set n = 1 %}{{ n }}{% endmacro %}{{ f() }}{{ n }}",
    "{% macro f() %}{{ x is defined }}{% endmacro %}{% for x in l %}{{ f() }}{% endfor %}",
    "{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}{{ f is defined }}",
    "{% macro f() %} a {% endmacro %}[{{ f() | trim }}]{{ f() is string }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f.name }}{{ f is callable }}{{ f is defined }}",
    "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}x{{ n }}{% endcall %}",
    "{% macro f() %}<{{ caller(1, b=2) }}>{% endmacro %}{% call(a, b, c=3) f() %}{{ a }}{{ b }}{{ c }}{% endcall %}",
    "{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}",
    "{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}",
    "{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}",
    "{% call n %}{% endcall %}",
    "{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'a': 3, 'b': 4}) }}{{ f(5, *[6]) }}{{ f(*[7], b=8) }}",
    "{{ g() }}{% macro g() %}{% endmacro %}",
    "{% set f = 1 %}{% macro f() %}m{% endmacro %}{{ f() }}",
    "{% macro outer(n) %}{% macro inner(m) %}{{ n }}{{ m }}{% endmacro %}{{ inner(2) }}{% endmacro %}{{ outer(1) }}",
    "{% macro f(true) %}{% endmacro %}",
    "{% macro f(a, a) %}{{ a }}{% endmacro %}",
    "{% set j = joiner(' | ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{% set ns = namespace(f=none) %}{% macro m() %}hi{% endmacro %}{% set ns.f = m %}{{ ns.f() }}",
    "{% macro type(t) -%}\n  {%- if t is string -%} {{ t }} {%- elif t is mapping -%}\n"
    "    {{ '{' }}{% for k, v in t.items() %}{{ k }}: {{ type(v) }}{{ ', ' if not loop.last }}{% endfor %}{{ '}' }}\n"
    "  {%- elif t is iterable -%} [{% for v in t %}{{ type(v) }}{{ ' | ' if not loop.last }}{% endfor %}]\n"
    "  {%- else -%} any {%- endif -%}\n{%- endmacro -%}\n{{ type({'a': 'int', 'b': ['x', {'c': 1}]}) }}",
    "{% set x = 1 %}{{ x }}{% set x %}2{% endset %}{{ x + '0' }}",
    "{{ s }}{# comment {{ n }} {% if %} #}{{ n }}",
    "{% if s is defined and s | length > 3 and s[0] == 'H' %}ok{% endif %}",
    "{% for m in people %}{% if (m.age > 30) != (loop.index0 % 2 == 0) %}{{ raise_exception('bad ' ~ m.name) }}{% endif %}{% endfor %}",
    "{%- for p in people -%}\n  {{- p.name }}\n{%- endfor -%}\n",
    "{% for p in people %}\n  {{ p.name }}\n{% endfor %}\n",
    "{%- for p in people %}\n  {{- '- ' + p.name + '\\n' }}\n{%- endfor %}\n",
    "{{ 'a' if n == 7 else 'b' }}{{ ('c' if n != 7 else 'd') ~ 'e' }}",
    "{{ [1, 2] | map('string') | join(', ') }}\n{{ {'a': [1, none, true]} | tojson }}",
    "{{ (people | selectattr('name', '==', 'bob') | list | first).age }}",
    "{{ '\\n'.join(words) }}\n{{ words | join('\\n') | indent(2) }}",
]
