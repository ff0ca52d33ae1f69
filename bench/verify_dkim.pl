#!/usr/bin/perl
# Verify messages with Mail::DKIM: arguments are the port of a name server on loopback and a list file of paths.
# Prints a line per message: path, tab, then per signature "algorithm=result".
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::Resolver;

my ($port, $list) = @ARGV;
Mail::DKIM::DNS::resolver(
    Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port, recurse => 0, retrans => 1, retry => 3));
open(my $paths, '<', $list) or die "$list: $!";
while (my $path = <$paths>) {
    chomp $path;
    my $verifier = Mail::DKIM::Verifier->new();
    open(my $file, '<:raw', $path) or die "$path: $!";
    while (my $line = <$file>) { $verifier->PRINT($line); }
    close $file;
    $verifier->CLOSE;
    my @found = map { ($_->algorithm // '?') . '=' . ($_->result // '?') } $verifier->signatures;
    print "$path\t", join(' ', @found), "\n";
}
