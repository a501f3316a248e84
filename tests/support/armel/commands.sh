# What is run on the root debian:armel under two kernels. It is no script by itself: tests/support/armel/__init__.py makes one of it, which
# runs in a cell only. A line "#:" begins a command and names it. Each has a subshell that begins in /tmp/w, nothing on its standard
# input, and both outputs on the terminal; they share that directory, in the order of this file.

#: the shell says something
echo hello
#: quoting
a='one  two'; echo $a "$a" '$a' \$a "it's" 'say "x"'
#: printf and its formats
printf '%s-%d-%x-%o-%c|%5s|%-5s|%05d|%e\n' str 42 255 8 char ab cd 42 1234.5
#: arithmetic
echo $((6 * 7)) $((7 / 2)) $((-7 % 3)) $((1 << 20)) $((0xff & 0x3c)) $((5 > 3 && 2 > 1)) $((2147483647 + 1))
#: parameters of a function
f() { echo "$# $1 ${2:-none} $*"; shift; echo "$@"; return 3; }; f a; f b c 'd e'; echo $?
#: expansions of parameters
p=/usr/lib/python3.11/os.py; echo "${p##*/}" "${p%/*}" "${p%.py}" "${#p}" "${unset:-default}" "${unset:+set}" "${p:+set}"
#: an unset variable is an error when asked so
sh -u -c 'echo $nothing'
#: and ends a script with a message of one's own
sh -c ': ${name:?must be given}'; echo $?
#: case
for w in apple banana 42 x; do case $w in a*) echo A;; [0-9]*) echo number;; b?nana|c) echo B;; *) echo other;; esac; done
#: while, until, break, continue
i=0; while :; do i=$((i + 1)); [ $i -eq 3 ] && continue; [ $i -gt 5 ] && break; printf '%s ' $i; done; until [ $i -le 0 ]; do i=$((i - 2)); done; echo $i
#: nested loops
for i in 1 2 3; do for j in a b; do [ $i$j = 2a ] && continue 2; echo $i$j; done; done
#: command substitution
x=$(echo nested $(echo deep) `echo old`); echo "[$x]"; y=$(printf 'a\n\n\n'); echo "[$y]"
#: a subshell has variables of its own
v=1; (v=2; echo $v); echo $v; { v=3; }; echo $v
#: and and or
true && echo yes || echo no; false && echo yes || echo no; ! false; echo $?
#: statuses
sh -c 'exit 5'; echo $?; nothing_there; echo $?; /etc/passwd; echo $?; sh -c 'kill -9 $$'; echo $?; sh -c 'kill -TERM $$'; echo $?
#: a syntax error
sh -c 'if true; echo x'; echo $?
#: test
: > empty; echo x > full; mkdir -p dir; ln -sf full link
for t in '-e empty' '-s empty' '-s full' '-d dir' '-f dir' '-L link' '-h full' '-r full' '-x full' 'a = a' 'a != a' '-z x' '-n x' '3 -lt 10' '3 -gt 10' 'full -ef link'; do test $t; echo "$t: $?"; done
#: here-documents
n=5; cat <<END; cat <<'RAW'; cat <<-TABS
n is $n and $((n * n)) and $(echo run)
END
n is $n and $((n * n))
RAW
	indented
	TABS
#: a here-document for a loop
while read -r key value; do echo "$value=$key"; done <<END
one 1
two 2 and more
END
#: a long here-document
cat <<END | wc
$(seq 3000)
END
#: redirections
echo first > f; echo second >> f; cat < f; wc -l < f; { echo out; echo err >&2; } > both 2>&1; cat both; { echo out; echo err >&2; } 2> /dev/null
#: descriptors
exec 3> three 4< f; echo to three >&3; read -r line <&4; echo "$line"; read -r line <&4; echo "$line"; exec 3>&- 4<&-; cat three; echo gone >&3
#: reading and writing one descriptor
printf 'aaaa\nbbbb\n' > rw; exec 5<> rw; read -r l <&5; printf XX >&5; exec 5>&-; cat rw
#: noclobber
set -C; echo a > clobber; echo b > clobber; echo b >| clobber; cat clobber
#: pipes
seq 1 100 | grep 7 | sed 's/7/seven/' | sort -r | head -n 5
#: the status of a pipeline
false | true; echo $?; true | false; echo $?
#: a writer without a reader
yes | head -n 3; bash -c 'yes | head -n 1; echo ${PIPESTATUS[@]}'
#: a long pipe
seq 20000 | cat | cat | cat | tail -n 1; head -c 300000 /dev/zero | tr '\0' x | wc -c
#: a named pipe
mkfifo pipe; (sleep 0.1; echo through) > pipe & cat < pipe; wait; ls -l pipe | cut -c 1-10
#: tee
echo data | tee t1 t2 | cat; cat t1 t2; echo more | tee -a t1 > /dev/null; cat t1
#: xargs
seq 10 | xargs -n 4 echo; printf 'a b\0c\0' | xargs -0 -n 1 echo; echo x | xargs -I{} echo '<{}>'; seq 3 | xargs -P 3 -n 1 sh -c 'exit 1'; echo $?
#: globbing
mkdir -p g; cd g; touch a1 a2 b1 .hidden 'with space' '[x]'; echo *; echo a?; echo [!a]*; echo .h*; echo nothing*; echo 'a'*; for f in w*; do echo "<$f>"; done; echo '[x'*
#: globbing of directories
mkdir -p g/d1/e g/d2/e; touch g/d1/e/x g/d2/e/y; echo g/*/e/*; echo g/d?/; set -f; echo g/*
#: bash: braces and extended globs
bash -O extglob -O globstar -c 'cd g; echo {a,b}{1..3} {10..1..3}; echo !(a*); echo **; echo @(a1|b1)'
#: bash: arrays
bash -c 'a=(one two "three four"); a+=(five); echo "${a[2]}" "${#a[@]}" "${a[@]:1:2}" "${!a[@]}"; declare -A m=([k]=v [x]=y); echo "${m[k]}" "${#m[@]}"; unset "a[1]"; echo "${a[@]}"'
#: bash: strings
bash -c 's="Hello, World"; echo "${s/o/0}" "${s//o/0}" "${s^^}" "${s,,}" "${s:7:3}" "${s: -5}" "${s/#Hello/Bye}"; [[ $s =~ ([A-Z])ello ]] && echo "${BASH_REMATCH[1]}"; printf -v x "%03d" 7; echo $x'
#: bash: process substitution
bash -c 'diff <(seq 3) <(seq 2 4); paste -d, <(seq 2) <(seq 3 4); echo q > >(cat); wait'
#: bash: here-string and arithmetic
bash -c 'cat <<< "here $((1+1))"; for ((i = 0; i < 3; i++)); do printf "%d " $i; done; echo; ((i > 5)); echo $?; let i+=5; echo $i; echo $((16#ff)) $((2**10))'
#: bash: coprocess, mapfile, pipefail
bash -c 'coproc cat; echo line >&${COPROC[1]}; read -r x <&${COPROC[0]}; echo $x; mapfile -t l < <(seq 3); echo ${l[2]}; set -o pipefail; false | true; echo $?'
#: bash: printf of times and quotes
bash -c 'TZ=UTC printf "%(%Y-%m-%d)T\n" 86400; printf "%q\n" "a b"; printf "\\x41\\102\n"; echo -e "a\tb\c"; echo'
#: background jobs
(sleep 0.1; echo later) & echo at once; wait; echo done
#: statuses of background jobs
(exit 7) & a=$!; (sleep 0.05; exit 8) & b=$!; wait $b; echo $?; wait $a; echo $?; wait 99999; echo $?
#: many at once
for i in 1 2 3 4 5 6; do (sleep 0.$i; echo $i) & done; wait
#: killing a job
sleep 100 & p=$!; kill $p; wait $p; echo $?; kill -0 $p 2> /dev/null; echo $?
#: stopping and going on
sleep 0.3 & p=$!; sleep 0.05; kill -STOP $p; sed -n 's/^State:\t\(.\).*/\1/p' /proc/$p/status; kill -CONT $p; wait $p; echo $?
#: bash: jobs
bash -c 'set -m; sleep 100 & jobs; kill %1; wait %1; echo $?' 2>&1 | sed 's/ \+/ /g'
#: timeout
timeout 0.1 sleep 5; echo $?; timeout -s KILL 0.1 sleep 5; echo $?; timeout 5 true; echo $?; timeout --preserve-status 0.2 sh -c 'trap "exit 9" TERM; while :; do sleep 0.02; done'; echo $?
#: a trap at the end
sh -c 'trap "echo bye" EXIT; echo working; exit 3'; echo $?
#: a trap for a signal
sh -c 'trap "echo caught" USR1; kill -USR1 $$; echo after; trap - USR1; kill -USR1 $$; echo never'; echo $?
#: traps while it waits
sh -c 'trap "echo alarm" ALRM; (sleep 0.1; kill -ALRM $$) & sleep 0.5 & wait; echo woken $?; wait; echo all'
#: ignored signals are inherited
sh -c 'trap "" TERM; sh -c "kill -TERM \$\$; echo alive"'; echo $?
#: list of traps
sh -c 'trap "echo x" INT; trap "" HUP; trap'
#: names of signals
kill -l 9; kill -l 15; bash -c 'kill -l 2 17 31'
#: a child sees the environment
A=1 B='two words' sh -c 'echo $A "$B"'; export C=3; env | grep '^C='; env -i X=1 env; env -u HOME sh -c 'echo ${HOME-unset}'
#: read
printf 'a:b:c\n' | { IFS=: read -r x y z; echo "$z$y$x"; }; printf 'no newline' | { read -r l; echo "$? $l"; }; printf 'a\\\nb\n' | { read x; echo "$x"; }
#: set and shift
set -- a b c; shift 2; echo $1 $#; set -- $(echo 1 2 3); echo $3
#: errexit and xtrace
sh -e -c 'echo one; false; echo two'; echo $?; sh -x -c 'a=1; echo $a'
#: eval, dot, command, type
eval 'echo ev$((1+1))'; echo 'echo dot $1; v=5' > dot; . ./dot; echo $v; command -v ls; type cd; command echo x; alias ll='ls -l'; alias ll
#: getopts
set -- -a -b val rest; while getopts ab:c o; do echo "$o ${OPTARG-}"; done; shift $((OPTIND - 1)); echo $1
#: umask
umask; umask 077; : > u77; umask 022; : > u22; stat -c '%a %n' u77 u22; umask -S
#: cd and pwd
cd /usr/lib/../bin; pwd; pwd -P; cd - > /dev/null; mkdir -p real; ln -sfn real sym; cd sym; pwd; pwd -P; cd /nowhere; echo $?
#: ulimit
ulimit -n; ulimit -c; ulimit -s; ulimit -n 64; ulimit -n
#: recursion
fact() { if [ $1 -le 1 ]; then echo 1; else echo $(($1 * $(fact $(($1 - 1))))); fi; }; fact 10
#: primes by the shell
n=2; while [ $n -lt 60 ]; do d=2; p=1; while [ $((d * d)) -le $n ]; do [ $((n % d)) -eq 0 ] && p=0 && break; d=$((d + 1)); done; [ $p -eq 1 ] && printf '%d ' $n; n=$((n + 1)); done; echo
#: files: copy, compare, move
mkdir -p w; cd w; seq 1000 > a; cp a b; cmp a b && echo same; echo x >> b; cmp a b; mv b c; ls
#: copying trees
cd w; mkdir -p t/u/v; echo 1 > t/one; echo 2 > t/u/two; ln -s ../one t/u/l; cp -a t t2; find t2 | sort; readlink t2/u/l; diff -r t t2 && echo equal
#: hard links
cd w; echo h > h1; ln h1 h2; stat -c '%h %n' h1 h2; echo more >> h2; cat h1; rm h1; stat -c '%h' h2; [ h2 -ef a ] || echo different; ln t x
#: symbolic links
cd w; ln -s a la; ln -s missing lm; readlink la lm; cat lm; readlink -f la; ls -l la | cut -c 1-10; ln -s loop loop; cat loop; realpath -m lm; test -e lm; echo $?
#: removing
cd w; rm t; rm -r t t2; rm -f nothing; rm nothing; rmdir ../g; mkdir e; rmdir e; ls -A | sort
#: renaming
cd w; mkdir m1 m2; echo in > m1/f; mv m1 m2/; ls m2; mv m2/m1/f .; cat f; mv f m2 && ls m2; mv m2 m2/m1; echo $?; mv -n a c; wc -l < c; mv -T m2 m3; ls -d m3; mv nothing x; echo $?
#: permissions
cd w; touch p; for m in 644 755 600 4755 1777 000 u+rwx g+s,o-rwx a=r; do chmod $m p; stat -c '%a %A' p; done
#: owners
cd w; touch o; chown 1:2 o; stat -c '%u %g %U' o; chown nobody:nogroup o; ls -ln o | cut -d ' ' -f 1-4; chown nosuch o; chgrp tty o; stat -c %G o
#: who may do what
cd w; echo secret > s; chmod 600 s; for c in 'cat s' 'touch ./new' 'ls /root' 'id -u' 'kill -9 1'; do python3 -c 'import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv("/bin/sh", ["sh", "-c", sys.argv[1]])' "$c"; echo $?; done
#: times of files
cd w; touch -d '2020-02-03 04:05:06 UTC' tm; stat -c '%Y %y' tm; touch -r tm tn; [ tn -nt tm ] || echo not newer; touch -d @1000000000.5 tm; stat -c '%Y %.Y' tm; TZ=UTC ls -l --time-style=long-iso tm | cut -d ' ' -f 6-7
#: stat
cd w; printf '%1000s' x > st; stat -c '%s %b %B %F %a %u %g %h' st; stat -c %F . /dev/null la nothing; stat -f -c %T /proc; stat nothing
#: sparse and truncated
cd w; truncate -s 1M big; stat -c '%s %b' big; printf end >> big; tail -c 5 big | od -c; truncate -s 3 big; wc -c big; dd if=/dev/zero of=sp bs=1 count=1 seek=100000 2> /dev/null; stat -c %s sp
#: dd
cd w; seq 100 | dd bs=10 skip=2 count=3 2> /dev/null; dd if=a of=dd bs=100 count=2 status=none; wc -c < dd; printf ABC | dd of=dd conv=notrunc bs=1 seek=1 status=none; head -c 5 dd; echo; echo abc | dd conv=ucase status=none
#: devices
head -c 4 /dev/zero | od -An -tx1; cat /dev/null | wc -c; echo x > /dev/full; echo $?; head -c 16 /dev/urandom | wc -c; ls -l /dev/null /dev/zero | cut -c 1-10,12-25
#: long names
cd w; n=$(printf '%0255d' 0); touch $n; ls | grep -c '^0*$'; touch ${n}x; p=$(printf '%0200d/' $(seq 25)); mkdir -p $p; echo $?
#: ls
cd w; mkdir l; cd l; touch b a c; mkdir d; ln -s a s; printf '%100s' > size; chmod 755 a; ls; ls -1F; ls -a; ls -r; ls -d .; ls -S | head -n 1; ls -l | cut -c 1-10; ls nothing; echo $?
#: ls with what does not change
cd w/l; touch -d '2001-01-01 00:00:00 UTC' *; touch -h -d '2001-01-01 00:00:00 UTC' s; TZ=UTC ls -l --time-style=+%F a b c s size; ls -C -w 20; ls -m
#: find
cd /usr/lib/python3.11; find . -name 'a*.py' | sort | head -n 5; find . -type d | sort | head -n 5; find /etc -maxdepth 1 -type l | sort; find . -name '*.py' -size +100k | sort
#: find and do
cd w; find l -type f -exec basename {} \; | sort; find l -type f -print0 | sort -z | xargs -0 ls; find l -empty -type f | sort; find l -newermt 2000-01-01 ! -newermt 2002-01-01 | sort; find l -perm 755 -type f; find l -name c -delete; ls l
#: find prints
cd w; find l -printf '%y %m %P %l\n' | sort; find l \( -name a -o -name b \) -print | sort; find l -regex '.*/[ab]' | sort; find nowhere; echo $?
#: du, df
cd w; mkdir du; head -c 10000 /dev/zero > du/x; du -b du/x; df . > /dev/null; echo $?; du -k du/x
#: sort
printf '10 b\n9 a\n100 c\n9 a\n' > s; sort s; sort -n s; sort -u s; sort -rn s; sort -k 2 s; sort -k 1,1nr -k 2 s; printf '1K\n2M\n3\n' | sort -h; printf 'v1.10\nv1.9\n' | sort -V; sort -c s; echo $?
#: sort much
seq 3000 | sort -r | tail -n 2; seq 5000 | sort -R | sort -n | md5sum; seq 2000 | sort -S 50k -T . | head -n 3; seq 3 | sort --parallel=2 -r
#: uniq, comm, join
printf 'a\na\nb\nb\nb\nc\n' | uniq -c; printf 'a\na\nb\n' | uniq -d; printf 'a\nb\nc\n' > c1; printf 'b\nc\nd\n' > c2; comm c1 c2; comm -12 c1 c2; printf '1 x\n2 y\n' > j1; printf '1 p\n3 q\n' > j2; join j1 j2; join -a 1 j1 j2
#: cut, paste, tr
printf 'a:b:c\nd:e:f\n' > k; cut -d : -f 2 k; cut -c 1,3 k; cut -d : -f 2- --output-delimiter=- k; paste -d + k k; paste -s k; tr a-z A-Z < k; tr -d : < k; echo aabbcc | tr -s a-c; echo hello | tr -c 'a-z\n' _
#: head, tail, split
seq 20 > n; head -n 2 n; tail -n 2 n; head -n -18 n; tail -n +19 n; head -c 5 n; tail -c 3 n; mkdir -p sp; split -l 7 n sp/p; wc -l sp/*; split -n 3 n sp/q; cat sp/q* | cmp - n && echo whole; csplit -s -f sp/c n 5 10; wc -l sp/c*
#: following a file
echo one > fol; (sleep 0.3; echo two >> fol; sleep 1.5) & tail -n 1 --pid=$! -s 0.1 -f fol; wait
#: wc, nl, fold, fmt, expand
printf 'one two\nthree\n\nfour' > x; wc x; wc -L x; nl x; nl -ba x; fold -w 4 x; echo; echo a long line of several words to be filled | fmt -w 20; printf 'a\tb\n' | expand -t 4; printf 'a       b\n' | unexpand -a -t 4; printf 'x\ny\n' | pr -t -2
#: tac, seq, shuf
seq 3 | tac; seq -s , 5; seq 1 0.5 2; seq -w 8 10; seq 5 -2 1; seq 10 | shuf | sort -n | tr '\n' ' '; echo; echo abc | sed '/\n/!G;s/\(.\)\(.*\n\)/&\2\1/;//D;s/.//'
#: od and encodings
printf 'A\n\0\377' | od -c; printf '\1\2\3\4' | od -An -tx4; printf abc | od -An -tu1; seq 100 | od | tail -n 2; echo hi | base64; echo aGkK | base64 -d; echo hi | base32; printf '\377' | basenc --base16
#: checksums
seq 1000 > m; md5sum m; sha1sum m; sha224sum m; sha256sum m; sha384sum m | cut -c 1-20; sha512sum m | cut -c 1-20; cksum m; sum m; b2sum m | cut -c 1-20
#: checking sums
md5sum m n > sums; md5sum -c sums; echo x >> n; md5sum -c sums; echo $?; sha256sum --status -c /dev/null; echo $?
#: checksum of much
head -c 2000000 /dev/zero | sha256sum; head -c 2000000 /dev/zero | md5sum; head -c 1000000 /dev/zero | cksum
#: date
TZ=UTC date -d @0; TZ=UTC date -d '2024-02-29 12:00 + 1 year' +%F; date -u -d '2001-02-03 04:05:06' +'%s %j %a %b %H:%M:%S %Z'; TZ=UTC-5 date -d @86400 +'%F %T %z'; date -d nonsense; [ $(date +%s) -ge 0 ] && echo runs
#: expr, factor, numfmt
expr 6 \* 7; expr abc : 'a\(.\)'; expr length hello; expr substr hello 2 3; expr 1 \> 2; echo $?; expr a + 1; factor 97 360 1234567890123; numfmt --to=iec 1048576; numfmt --from=si 2K
#: basename, dirname, pathchk, mktemp
basename /a/b.c .c; dirname /a/b/c; dirname x; pathchk 'a b'; t=$(mktemp -d tmpXXXX); echo ${#t}; rmdir $t; mktemp -u zXXXXXX | wc -c
#: true, false, yes, sleep, nice, nohup
true; echo $?; false; echo $?; yes no | head -n 2; sleep 0.01; echo $?; nice -n 5 nice; nohup echo hup 2> /dev/null | cat; sleep -1; echo $?
#: id, whoami, groups, hostname, uname
id; whoami; groups; uname -s -m -o; hostname > /dev/null; echo $?; nproc; logname; arch; users | wc -c; who | wc -l
#: tty, stty
tty; echo $?; stty < /dev/null; echo $?; stty -F /dev/console size > /dev/null; echo $?
#: printenv, install, chroot
printenv HOME; printenv NOTHING; echo $?; echo i > i; install -m 700 -D i in/st/i; stat -c '%a %n' in/st/i; chroot / /bin/echo rooted; chroot /tmp/w /bin/echo no; echo $?
#: a root of one's own
mkdir -p root/bin; cp /bin/busybox root/bin; chroot root /bin/busybox sh -c 'pwd; ls /; cd ..; pwd; ls -d /bin/busybox'
#: tsort, link, unlink, dircolors
dircolors | head -n 1 | cut -c 1-10; printf 'a b\nb c\n' | tsort; printf 'a b\nb a\n' | tsort; link i linked; unlink linked; ls linked; echo ok | tee /dev/full; echo $?
#: sync, mknod, shred
sync; mknod fifo p; ls -l fifo | cut -c 1; mknod nul c 1 3; echo x > nul; ls -l nul | cut -c 1-10; echo x > sh; shred -u sh; ls sh
#: sed
printf 'one\ntwo\nthree\n' > sd; sed 's/o/0/g' sd; sed -n 2p sd; sed '$d' sd; sed '/two/,$s/^/> /' sd; sed -e '1i before' -e '2a after' sd; sed 'y/abc/xyz/' sd; sed -E 's/(.)(.)/\2\1/' sd; sed = sd | sed 'N;s/\n/ /'
#: sed programs
seq 10 | sed -n '/3/,/6/{=;p}'; printf 'a,b,,c\n' | sed ':a;s/,,/,-,/;ta'; seq 5 | sed '1!G;h;$!d'; echo 'hello world' | sed 's/\w\+/\u&/g'; sed -n '$=' sd; sed '2q5' sd; echo $?; sed 's/x' sd; echo $?
#: sed in place
cp sd si; sed -i.bak 's/two/2/' si; cat si si.bak; sed -i -e '1d' -e 'w out.sed' si; cat si out.sed; sed -s -n '$p' sd si; sed 's/one/date -u -d @0 +%s/e' sd | head -n 1
#: grep
printf 'apple\nBanana\ncherry\napple pie\n' > gr; grep apple gr; grep -i banana gr; grep -v apple gr; grep -c apple gr; grep -n -w pie gr; grep -o 'an*a' gr; grep -E '^(a|c).*e?y?$' gr; grep -q nothing gr; echo $?; grep x nowhere; echo $?
#: grep more
grep -A 1 -B 1 Ban gr; grep -l apple gr k m; grep -L apple gr k; grep -rn 'apple' --include='g?' . | sort; grep -F -x apple gr; grep -m 1 apple gr; printf 'a.b\naxb\n' | grep -F a.b; echo 'foobar' | grep -P -o '(?<=foo)\w+'; printf 'a\0b' | grep -c b; grep -e apple -e cherry gr | wc -l
#: grep back references and classes
printf 'abab\nabba\n12 34\n' | grep -E '(ab)\1'; printf 'x1\nxy\n' | grep '[[:digit:]]'; printf 'tab\there\n' | grep -c "$(printf '\t')"; seq 2000 | grep -c '^1.*9$'; grep '[' /dev/null; echo $?
#: awk
printf 'a 1\nb 2\na 3\n' > aw; awk '{ s[$1] += $2 } END { for (k in s) print k, s[k] }' aw | sort; awk -F: '{ print $NF }' /etc/passwd; awk 'NR == 2 { print NR, NF, $0 }' aw; awk 'BEGIN { printf "%5.2f|%-5s|%03d\n", 3.14159, "ab", 7 }'; awk '/b/,0' aw
#: awk functions
awk 'BEGIN { print length("hello"), substr("hello", 2, 3), index("hello", "l"), toupper("x"), split("a:b:c", t, ":"), t[3]; s = "aXbX"; n = gsub("X", "-", s); print n, s; print match("foobar", "o+"), RSTART, RLENGTH; print sprintf("%c%c", 65, 66); print -7 % 3, 2 ** 3, 1e3, 017 }'
#: awk programs
awk 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } BEGIN { for (i = 0; i < 15; i++) printf "%d ", f(i); print ""; while (i-- > 12) print i; do print "once"; while (0); exit 4 }'; echo $?
#: awk and the world
awk 'BEGIN { "echo cmd" | getline x; print x; while ((getline l < "aw") > 0) n++; print n; print "b\na" | "sort"; close("sort"); system("echo sys"); print ENVIRON["HOME"]; print ARGC; exit }' x y; awk '{ print > ($1 ".awk") }' aw; cat a.awk b.awk; awk -v v=5 'BEGIN { print v * 2 }'
#: awk computes
awk 'BEGIN { print sin(0), cos(0), atan2(0, -1), exp(1), log(10), sqrt(2), 2^0.5, 10/3, int(7.9), 1e6, 123456789, 0.1 + 0.2 }'
#: awk counts words
awk '{ for (i = 1; i <= NF; i++) c[$i]++ } END { for (w in c) print c[w], w }' /usr/lib/python3.11/abc.py /usr/lib/python3.11/os.py | sort -k 1,1nr -k 2 | head -n 5
#: tar
mkdir -p ta/d; echo 1 > ta/one; echo 2 > ta/d/two; ln -s one ta/link; chmod 640 ta/one; tar -cf ta.tar ta; tar -tf ta.tar | sort; mkdir -p out; tar -xf ta.tar -C out; find out | sort; readlink out/ta/link; stat -c %a out/ta/one; cmp ta/d/two out/ta/d/two && echo same
#: tar with gzip
tar -czf ta.tgz ta; tar -tzf ta.tgz | sort; rm -r out/ta; tar -xzf ta.tgz -C out --strip-components=1 ta/d; find out | sort; tar -xOf ta.tar ta/one; tar -rf ta.tar gr; tar -tf ta.tar | tail -n 1; tar -df ta.tar && echo no difference; tar -xf nothing.tar; echo $?
#: tar: the same bytes
tar --sort=name --mtime=@0 --owner=0 --group=0 --format=ustar -cf - ta | sha256sum; tar --sort=name -cf - ta gr | tar -tvf - | awk '{ print $1, $2, $NF }'; tar --exclude=d --sort=name -cf - ta | tar -tf -; tar -c ta | (mkdir -p pp; cd pp; tar -x); ls pp/ta
#: tar: hard links, holes, an incremental list
ln ta/one ta/hard; truncate -s 100k ta/hole; tar --sort=name -Scf th.tar ta; tar -tvf th.tar | awk '{ print $1, $3 }'; rm ta/hard; tar -xf th.tar -C out; [ out/ta/hard -ef out/ta/one ] && echo linked; stat -c %s out/ta/hole; echo x > ta/new; tar --delete -f th.tar ta/hole; tar -tf th.tar | grep -c hole; rm ta/new ta/hole
#: gzip
seq 5000 > z; cp z y; gzip y; ls -l y.gz | awk '{ print ($5 < 15000) }'; gzip -l y.gz | awk 'NR == 2 { print $2 }'; gzip -t y.gz; echo $?; zcat y.gz | cmp - z && echo same; gunzip y.gz; cmp y z && echo same; gzip -1 -n -c z | sha256sum; gzip -9 -n < z | wc -c; echo no | gunzip; echo $?
#: gzip of parts
(echo a | gzip -n; echo b | gzip -n) | gunzip; seq 100 | gzip | head -c 50 | gunzip > /dev/null; echo $?; zgrep -c 99 ta.tgz; echo hi | gzip -n | od -An -tx1 | head -n 1; cp z zz; gzip -k zz; ls zz*; zcmp zz zz.gz; echo $?
#: diff
printf '1\n2\n3\n' > d1; printf '1\nx\n3\n4\n' > d2; diff d1 d2; echo $?; diff -u d1 d2 | tail -n +3; diff -q d1 d2; diff -y -W 20 d1 d2; diff d1 d1; echo $?; cmp d1 d2; cmp -l d1 d2; sdiff -s -w 20 d1 d2; diff -r g nowhere; echo $?
#: diff3
printf '1\ny\n3\n' > d3; diff3 d1 d2 d3; diff3 -m d2 d1 d3; echo $?
#: /proc of oneself
readlink /proc/self/cwd /proc/self/exe; tr '\0' ' ' < /proc/self/cmdline; echo; sed -n '1p;s/^Uid:\t//p' /proc/self/status; cut -d ' ' -f 2,3 /proc/self/stat; exec 6< gr; readlink /proc/self/fd/6
#: /proc of a child
sleep 0.5 & p=$!; sleep 0.05; cat /proc/$p/comm; tr '\0' '+' < /proc/$p/cmdline; echo; sed -n 's/^State:\t//p' /proc/$p/status; test -d /proc/$p; echo $?; readlink /proc/$p/exe; kill $p; wait $p; test -d /proc/$p; echo $?
#: /proc of the system
grep -c processor /proc/cpuinfo; grep -c '^MemTotal: .* kB$' /proc/meminfo; awk '{ print NF }' /proc/uptime /proc/loadavg; cut -d ' ' -f 1-2 /proc/version; grep -w tmpfs /proc/filesystems; head -n 1 /proc/stat | awk '{ print $1, NF }'; cat /proc/sys/kernel/ostype; cat /proc/sys/kernel/pid_max > /dev/null; echo $?
#: maps
grep -c '\[stack\]' /proc/self/maps; grep -o '/lib/.*/libc.so.6' /proc/self/maps | sort -u; grep -o '/lib/.*ld-linux.*' /proc/self/maps | sort -u; grep -c 'r-xp.*/bin/grep' /proc/self/maps; bash -c 'grep -c heap /proc/$$/maps'; awk '$6 ~ /libc/ { print $2, $6 }' /proc/self/maps
#: limits and mounts
grep -c '^Max open files' /proc/self/limits; awk '$2 == "/proc" { print $3 }' /proc/self/mounts; echo x > /proc/version; echo $?; cat /proc/nothing; echo $?
#: descriptors of a process
exec 7< /etc/passwd; readlink /proc/$$/cwd; readlink /dev/fd/7; head -n 1 /proc/self/fd/7; exec 8<&7; head -n 1 <&8; sed -n 1p /proc/self/fdinfo/7; bash -c 'echo $(< /dev/stdin)' < /etc/group
#: the dynamic linker
/lib/ld-linux.so.3 --verify /bin/ls; echo $?; /lib/ld-linux.so.3 /bin/echo by hand; LD_DEBUG=statistics /bin/true 2>&1 | grep -c 'number of relocations:'; LD_TRACE_LOADED_OBJECTS=1 /bin/ls | sed 's/ (0x.*//'
#: a library that is not there
LD_LIBRARY_PATH=/tmp /bin/echo still; LD_PRELOAD=/nowhere.so /bin/echo warned; mkdir -p lib; : > lib/libselinux.so.1; LD_LIBRARY_PATH=/tmp/w/lib /bin/ls; echo $?; LD_BIND_NOW=1 /bin/echo bound
#: programs that are none
printf 'echo script $0\n' > s1; chmod 755 s1; ./s1; printf '#!/bin/sed -f\ns/a/b/\n' > s2; chmod 755 s2; echo aaa | ./s2; printf '#!/nowhere\n' > s3; chmod 755 s3; ./s3; echo $?; printf '\177ELF' > s4; chmod 755 s4; ./s4; echo $?; ./lib; echo $?; ./gr; echo $?
#: half a program
head -c 1000 /bin/ls > s5; chmod 755 s5; bash -c ./s5; echo $?
#: scripts of scripts
printf '#!/bin/sh\necho "$0 $*"\n' > i1; chmod 755 i1; printf '#!/tmp/w/i1 arg\n' > i2; chmod 755 i2; ./i2 x; env ./i2; printf '#! /bin/sh -e \nfalse\necho no\n' > i3; chmod 755 i3; ./i3; echo $?; printf '#!/usr/bin/env python3\nprint("py")\n' > i4; chmod 755 i4; ./i4
#: too long an argument list
/bin/echo $(seq 1000) | wc -c; python3 -c 'import os
try: os.execv("/bin/true", ["true", "x" * 200000])
except OSError as e: print(e)'
#: run-parts, which
mkdir -p rp; cd rp; printf '#!/bin/sh\necho one\n' > 01; printf '#!/bin/sh\necho two; exit 2\n' > 02; chmod 755 01 02; touch 03; run-parts .; echo $?; run-parts --test .; which ls awk nothing; echo $?
#: busybox beside them
busybox echo bb; busybox sh -c 'echo $((3 * 4)); ls rp'; busybox md5sum /etc/group | cut -c 1-8; busybox nothing; echo $?; busybox cal 2 2000 | head -n 2; busybox tr a b < gr; busybox seq 3 | busybox sort -r
#: python says something
python3 -c 'print("hello", 6 * 7, 2 ** 100, 10 / 3)'
#: python computes
python3 -c 'import math; print(math.pi, math.sqrt(2), math.factorial(30), math.sin(1), 1e300 * 1e10, float("nan"), 0.1 + 0.2, round(2.675, 2), hash(2.5), 7 // -2, -7 % 3, divmod(17, 5), 1 / 3)'
#: python: data
python3 -c 'd = {k: v for v, k in enumerate("abc")}; s = sorted({3, 1, 2}); print(d, s, [x * x for x in range(5)], "%s %5.2f" % ("a", 1.5), f"{255:#x} {1000000:,}", "\xe4\xf6".encode(), b"\xc3\xa4".decode() == "\xe4")'
#: python: classes and errors
python3 - <<'END'
class Stack:
    def __init__(self): self.items = []
    def push(self, item): self.items.append(item); return self
    def __len__(self): return len(self.items)
print(len(Stack().push(1).push(2)))
try:
    {}["missing"]
except KeyError as error:
    print("KeyError", error)
def generate():
    for i in range(3):
        got = yield i
        if got: print("got", got)
g = generate(); print(next(g), g.send("x"), list(g))
raise SystemExit(5)
END
echo $?
#: python: a traceback
printf 'def f(n):\n    return 1 / n\nf(0)\n' > tb.py; python3 tb.py; echo $?; python3 -c 'x ='; python3 -c 'import nothing'
#: python: files
python3 - <<'END'
import os, tempfile, io
with open("py.txt", "w") as f: f.write("one\ntwo\n")
with open("py.txt") as f: print(f.readlines(), f.tell())
os.rename("py.txt", "py2.txt"); print(os.path.exists("py.txt"), os.stat("py2.txt").st_size, oct(os.stat("py2.txt").st_mode))
os.mkdir("pd"); os.makedirs("pd/a/b"); open("pd/a/f", "wb").write(bytes(range(256)))
print([(len(p) > 0, sorted(ds), sorted(fs)) for p, ds, fs in os.walk("pd")])
with open("pd/a/f", "r+b") as f: f.seek(100); print(f.read(3)); f.truncate(10); print(f.seek(0, 2))
print(sorted(e.name for e in os.scandir("rp")), os.getcwd())
try: open("/nowhere/x")
except OSError as e: print(e.errno, e.strerror)
print(os.access("/etc/passwd", os.R_OK), os.access("/etc/passwd", os.X_OK), os.path.islink("/usr/bin/awk"))
d = os.open("pd", os.O_RDONLY | os.O_DIRECTORY); print(os.stat("a/f", dir_fd=d).st_size, os.listdir(d)); os.unlink("a/f", dir_fd=d); os.rmdir("pd/a/b")
print(os.statvfs(".").f_namemax, os.path.realpath("link"), os.utime("py2.txt", (1, 2)), os.stat("py2.txt").st_mtime)
END
#: python: descriptors
python3 - <<'END'
import os, struct
fd = os.open("mm", os.O_RDWR | os.O_CREAT); os.write(fd, struct.pack("<IHB", 1, 2, 3)); os.lseek(fd, 0, 0)
print(struct.unpack("<IHB", os.read(fd, 7)), os.pread(fd, 2, 4), os.pwrite(fd, b"zz", 1), os.fstat(fd).st_size)
os.ftruncate(fd, 3); print(os.pread(fd, 10, 0)); os.fsync(fd)
print(os.sendfile(os.open("mm2", os.O_WRONLY | os.O_CREAT), fd, 0, 3), open("mm2", "rb").read())
print(os.writev(fd, [b"ab", b"cd"]), os.dup2(fd, 20), os.get_inheritable(20), os.get_blocking(fd))
print(os.copy_file_range(fd, os.open("mm3", os.O_WRONLY | os.O_CREAT), 4, 0), open("mm3", "rb").read())
print(os.posix_fallocate(fd, 0, 5000), os.fstat(fd).st_size, os.memfd_create("m") > 2)
END
#: python: processes and pipes
python3 - <<'END'
import os, signal, sys, time
r, w = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(w, b"from the child"); os._exit(3)
print(os.read(r, 100), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.fork()
if pid == 0: time.sleep(10)
os.kill(pid, signal.SIGKILL); print(os.waitstatus_to_exitcode(os.wait()[1]))
sys.stdout.flush(); print(os.system("exit 4") >> 8)
with os.popen("echo popen") as p: print(p.read().strip())
try: os.waitpid(-1, 0)
except ChildProcessError as e: print(e)
sys.stdout.flush(); pid = os.posix_spawn("/bin/echo", ["echo", "spawned"], os.environ); os.waitpid(pid, 0)
print(os.getppid() > 0, os.getpgid(0) == os.getpgrp(), os.nice(0), os.times().user >= 0)
END
#: python: subprocess
python3 - <<'END'
import subprocess as s
print(s.run(["sort", "-n"], input="3\n1\n2\n", capture_output=True, text=True).stdout.split())
print(s.run("exit 7", shell=True).returncode, s.check_output(["printf", "%s", "x"]), s.getoutput("echo a; echo b >&2"))
try: s.run(["sleep", "5"], timeout=0.1)
except s.TimeoutExpired: print("timeout")
p = s.Popen(["cat"], stdin=s.PIPE, stdout=s.PIPE); print(p.communicate(b"through")[0], p.returncode)
try: s.run(["/nowhere"])
except FileNotFoundError as e: print(e.strerror)
END
#: python: signals and timers
python3 - <<'END'
import signal, time, os
seen = []
signal.signal(signal.SIGALRM, lambda n, f: seen.append(signal.Signals(n).name))
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
while len(seen) < 3: signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0); print(seen)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); os.kill(os.getpid(), signal.SIGUSR1)
print(signal.sigpending(), signal.sigwait({signal.SIGUSR1}), signal.sigtimedwait({signal.SIGUSR2}, 0.01))
a = time.monotonic(); time.sleep(0.05); print(0.05 <= time.monotonic() - a < 1, time.time() > 0, time.clock_getres(time.CLOCK_MONOTONIC) > 0)
try: signal.signal(signal.SIGKILL, signal.SIG_IGN)
except OSError as e: print(e)
END
#: python: threads
python3 - <<'END'
import threading, time
count, lock = [0], threading.Lock()
def work(k):
    for _ in range(100):
        with lock: count[0] += k
threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
[t.start() for t in threads]; [t.join() for t in threads]; print(count, threading.active_count())
c, got = threading.Condition(), []
def consume():
    with c:
        while len(got) < 3: c.wait()
    print("consumed", got)
t = threading.Thread(target=consume); t.start()
for i in range(3):
    with c: got.append(i); c.notify()
t.join()
e = threading.Event(); print(e.wait(0.02)); threading.Timer(0.02, e.set).start(); print(e.wait(5))
s = threading.Semaphore(2); print(s.acquire(), s.acquire(), s.acquire(blocking=False))
local = threading.local(); local.x = 1
def other(): print(hasattr(local, "x"))
t = threading.Thread(target=other); t.start(); t.join()
b = threading.Barrier(3); r = []
def meet(): r.append(b.wait())
ts = [threading.Thread(target=meet) for _ in range(3)]; [t.start() for t in ts]; [t.join() for t in ts]; print(sorted(r))
END
#: python: a thread ends the process
python3 -c 'import threading, os, time; threading.Thread(target=lambda: os._exit(6)).start(); time.sleep(5)'; echo $?
#: python: fork in a process with threads
python3 -c 'import threading, os, time
threading.Thread(target=time.sleep, args=(0.5,)).start()
pid = os.fork()
if not pid: os._exit(len(os.listdir("/proc/self/task")))
print(os.waitpid(pid, 0)[1] >> 8, len(os.listdir("/proc/self/task")))'
#: python: exec in a process with threads
python3 -c 'import threading, os, time
threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
os.execv("/bin/sh", ["sh", "-c", "ls /proc/$$/task | wc -l; echo as new"])'
#: python: sockets
python3 - <<'END'
import os, select, threading, sys
try: import socket
except ImportError as e: print("no socket:", e); sys.exit()
a, b = socket.socketpair(); a.send(b"xx"); print(b.recv(5)); a.shutdown(socket.SHUT_WR); print(b.recv(5))
path = "sock"; s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen()
def client():
    c = socket.socket(socket.AF_UNIX); c.connect(path); c.sendall(b"hello"); print("client", c.recv(10)); c.close()
t = threading.Thread(target=client); t.start(); c, _ = s.accept(); print("server", c.recv(10)); c.sendall(b"bye"); t.join(); print(c.recv(1), oct(os.stat(path).st_mode))
try: socket.socket(socket.AF_UNIX).connect("nosock")
except OSError as e: print(e)
x, y = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); x.send(b"one"); x.send(b"two"); print(y.recv(2), y.recv(10))
r, w = os.pipe(); socket.send_fds(x, [b"fd"], [r]); m, fds, _, _ = socket.recv_fds(y, 10, 2); print(m, len(fds))
print(a.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE), len(x.getsockopt(socket.SOL_SOCKET, 17, 12)))
try: y.setblocking(False); y.recv(1)
except BlockingIOError as e: print(e)
END
#: python: select, poll, epoll
python3 - <<'END'
import os, select
r, w = os.pipe(); print([len(l) for l in select.select([r], [w], [], 0.01)]); os.write(w, b"x"); print(select.select([r], [], [], 1)[0] == [r])
p = select.poll(); p.register(r, select.POLLIN); print(p.poll(10) == [(r, 1)]); os.read(r, 1); print(p.poll(10))
e = select.epoll(); e.register(r, select.EPOLLIN); os.write(w, b"y"); print(e.poll(1) == [(r, 1)]); os.close(w); os.read(r, 1); print(e.poll(1) == [(r, 16)])
try: e.register(r)
except OSError as error: print(error)
try: select.select([25], [], [])
except OSError as error: print(error)
END
#: python: what does not block
python3 - <<'END'
import os, fcntl, errno
r, w = os.pipe(); os.set_blocking(w, False); n = 0
try:
    while True: n += os.write(w, bytes(4096))
except OSError as e: print(n, errno.errorcode[e.errno])
print(fcntl.fcntl(w, fcntl.F_GETFL) & os.O_NONBLOCK != 0, fcntl.fcntl(r, fcntl.F_GETFD), fcntl.fcntl(r, 1032))
f = open("lock", "w"); fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
try: fcntl.flock(open("lock", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError as e: print(e)
fcntl.lockf(f, fcntl.LOCK_EX); pid = os.fork()
if not pid:
    try: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB); os._exit(0)
    except OSError as e: os._exit(e.errno)
print(errno.errorcode[os.waitpid(pid, 0)[1] >> 8])
END
#: python: hashes and compression
python3 - <<'END'
import hashlib, zlib, binascii, random
print(hashlib.md5(b"a").hexdigest(), hashlib.sha256(b"a").hexdigest()[:16], hashlib.sha3_256(b"a").hexdigest()[:16], hashlib.blake2b(b"a").hexdigest()[:16])
d = bytes(range(256)) * 100; z = zlib.compress(d, 9); print(len(z), zlib.decompress(z) == d, zlib.crc32(d), zlib.adler32(d), binascii.hexlify(b"hi"))
random.seed(7); print([random.randrange(1000) for _ in range(5)], random.random(), len(set(__import__("os").urandom(8))) > 1)
END
#: python: regular expressions and the like
python3 -c 'import re, itertools, functools, collections, operator; print(re.findall(r"(\w)(\d)", "a1 b2"), re.sub(r"\s+", " ", "a   b"), list(itertools.permutations("abc", 2))[:3], functools.reduce(operator.mul, range(1, 10)), collections.Counter("banana").most_common(2), re.split("[,;]", "a,b;c"))'
#: python: a sieve
python3 -c 'n = 20000; s = bytearray([1]) * n
for i in range(2, 142):
    if s[i]: s[i*i::i] = bytes(len(range(i*i, n, i)))
print(sum(s) - 2, sorted(range(10), key=lambda x: x * 7 % 10), sum(int(c) for c in str(2 ** 1000)))'
#: python: memory
python3 -c 'a = [bytes(1000) for _ in range(3000)]; print(sum(map(len, a))); del a; b = bytearray(5_000_000); b[::4096] = bytes(len(range(0, 5_000_000, 4096))); print(len(b))'
#: python: recursion and its limit
python3 -c 'import sys
def f(n): return f(n + 1)
try: f(0)
except RecursionError as e: print(str(e)[:32])
sys.setrecursionlimit(3000); g = lambda n: n and g(n - 1); print(g(2000))'
#: python: standard input and output
python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(32, 48)) + b"\n")'; python3 -c 'print("x\n" * 100000)' 2> /dev/null | head -n 1; echo "in" | python3 -c 'print(input().upper()); import sys; print(sys.stdin.read() == "", sys.argv, sys.byteorder, sys.maxsize)'; python3 -c 'input()' 2>&1 | tail -n 1
#: a stack that overflows
bash -c 'f() { f; }; ulimit -s 512; f' > /dev/null 2>&1; echo $?
#: ended by signals
python3 -c 'import os; os.kill(os.getpid(), 11)'; echo $?; sh -c 'kill -ABRT $$'; echo $?; sh -c 'kill -PIPE $$'; echo $?; bash -c 'kill -SEGV $$'; echo $?
#: orphans
sh -c '(sleep 0.2; echo orphan) & exit 0'; sleep 0.6; echo end
#: a script of some size
cat > queue.sh <<'END'
#!/bin/sh
# A queue of jobs in a directory.
dir=$1; mkdir -p "$dir"
put() { n=$(ls "$dir" | wc -l); printf '%s\n' "$2" > "$dir/$(printf %03d "$n").$1"; }
work() {
    for job in "$dir"/*.$1; do
        [ -e "$job" ] || continue
        read -r text < "$job"; echo "$(basename "$job"): $text" | tr a-z A-Z; rm "$job"
    done
}
for i in 1 2 3; do put mail "letter $i"; put print "page $i"; done
trap 'rmdir "$dir" && echo cleaned' EXIT
work print; work mail; work none
END
sh queue.sh queue; ls -d queue
#: words of some modules
cd /usr/lib/python3.11; cat ab*.py os.py | tr -cs 'A-Za-z' '\n' | tr A-Z a-z | sort | uniq -c | sort -k 1,1nr -k 2 | head -n 5
#: checksums of a tree
find /etc /usr/lib/python3.11/encodings /usr/bin/find /bin/ls -name __pycache__ -prune -o -type f -print | grep -v '/encodings/[b-t]' | sort | xargs sha256sum | sha256sum
#: what is left
cd /tmp; rm -r w; ls -d w; mkdir w; ls -A w | wc -l
