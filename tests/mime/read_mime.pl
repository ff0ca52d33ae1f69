#!/usr/bin/perl
# Read messages with Email::MIME: standard input holds them one after another, each behind its length as a line.
# Prints a line of JSON per message: subject, to, and the leaves as [type, file name, octets in base64].
use strict;
use warnings FATAL => 'all';
use Email::MIME;
use JSON::PP;
use MIME::Base64;

binmode STDIN;
while (defined(my $length = <STDIN>)) {
    my $got = read(STDIN, my $data, $length);
    die "cut short" unless $got == $length;
    my $message = Email::MIME->new($data);
    my @leaves;
    $message->walk_parts(sub {
        my ($part) = @_;
        return if $part->subparts;
        my ($type) = split /;/, $part->content_type;
        push @leaves, [$type, $part->filename // '', encode_base64($part->body, '')];
    });
    my %told = (subject => $message->header_str('Subject'), to => $message->header_str('To'), leaves => \@leaves);
    print JSON::PP->new->ascii->encode(\%told), "\n";
}
